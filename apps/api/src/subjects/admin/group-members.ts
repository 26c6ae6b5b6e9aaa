import {
  addMembers,
  administerGroup,
  changeMember,
  findGroup,
  MOST_MEMBERS_AT_ONCE,
  removeMembers,
} from "@carillon/operations";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing, strict, userId } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import * as groupShapes from "../groups/shapes";

const TAGS = ["admin"];
const access = { scope: "groups" } as const;

interface OfGroup {
  Params: { groupId: string };
}
interface OfMember {
  Params: { groupId: string; userId: string };
}
interface Members {
  Body: { userIds: string[] };
}

/** Logs what an operator, or a key, has done to a group. */
export function noteOrder(
  { logger }: ApiParts,
  { by }: FastifyRequest,
  order: { order: string; groupId: string; [detail: string]: unknown },
): void {
  logger.info({ ...order, by }, "an operator's order about a group");
}

const membersBody = strict({
  userIds: Type.Array(userId, { minItems: 1, maxItems: MOST_MEMBERS_AT_ONCE }),
});

const added = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      state: Type.Enum(["joined", "member", "full", "no-such-user"], {
        description: "`member`: belonged to it before; `full`: the group has no room",
      }),
    }),
  ),
});

const removed = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      state: Type.Enum(["removed", "absent", "owner"], {
        description: "`absent`: did not belong to it; `owner`: transfer the group first",
      }),
    }),
  ),
});

export function memberRoutes(server: FastifyInstance, api: ApiParts): void {
  listing(server, api);
  many(server, api);

  server.patch<OfMember & { Body: { role?: "admin" | "member"; mutedUntil?: number } }>(
    "/v1/admin/groups/:groupId/members/:userId",
    {
      config: { audit: "admin.group.member.change", access, errors: ["NOT_FOUND", "FORBIDDEN", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Change the role of a member, or mute a member",
        tags: TAGS,
        body: groupShapes.changeMemberBody,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { groupId, userId } = request.params;
      const { role, mutedUntil } = request.body;
      for (const change of [role !== undefined && { role }, mutedUntil !== undefined && { mutedUntil }]) {
        if (!change) continue;
        await administerGroup(api, groupId, [userId], (ownerId) =>
          changeMember(ownerId, userId, change, api.clock.now()),
        );
      }
      noteOrder(api, request, { order: "member", groupId, userId });
      return reply.code(204).send();
    },
  );
}

function listing(server: FastifyInstance, api: ApiParts): void {
  server.get<OfGroup>(
    "/v1/admin/groups/:groupId/members",
    {
      config: { access, errors: ["NOT_FOUND"] },
      schema: {
        summary: "List the members by id",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: groupShapes.members },
      },
    },
    async (request) => {
      const { groupId } = await findGroup(api, request.params.groupId);
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const found = await api.groups.members(groupId, limit + 1, readIdCursor("group-members", cursor));
      const page = pageById("group-members", found, limit, ({ userId }) => userId);
      return { ...page, items: page.items.map(groupShapes.presentMember) };
    },
  );
}

/** A change of many members by one call, each with its own outcome. */
interface Bulk {
  order: "add" | "remove";
  path: string;
  summary: string;
  description: string;
  outcomes: object;
  act(api: ApiParts, groupId: string, userIds: string[]): Promise<Map<string, string>>;
}

const BULKS: readonly Bulk[] = [
  {
    order: "add",
    path: "/v1/admin/groups/:groupId/members",
    summary: "Add many users to a group with one event",
    description: "The users are not asked. Users who were removed before, or left, become members again.",
    outcomes: added,
    act: addMembers,
  },
  {
    order: "remove",
    path: "/v1/admin/groups/:groupId/members/remove",
    summary: "Remove many users from a group with one event",
    description: "They are banned, as if an admin had removed them.",
    outcomes: removed,
    act: removeMembers,
  },
];

function many(server: FastifyInstance, api: ApiParts): void {
  for (const { order, path, summary, description, outcomes, act } of BULKS) {
    server.post<OfGroup & Members>(
      path,
      {
        config: { audit: `admin.group.member.${order}`, access, errors: ["NOT_FOUND", "GROUP_DISSOLVED"] },
        schema: { summary, description, tags: TAGS, body: membersBody, response: { 200: outcomes } },
      },
      async (request) => {
        const { groupId } = request.params;
        const states = await act(api, groupId, request.body.userIds);
        noteOrder(api, request, { order, groupId, users: states.size });
        return { items: [...states].map(([userId, state]) => ({ userId, state })) };
      },
    );
  }
}
