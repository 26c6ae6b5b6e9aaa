/** Members of groups as operators and other systems manage them, many by one call. */
import { addMembers, administerGroup, changeMember, findGroup, removeMembers } from "@carillon/operations";
import type { FastifyInstance } from "fastify";
import * as groupShapes from "../../groups/shapes";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../../http/shapes";
import type { AdminGroupsContext } from "./context";
import * as shapes from "./shapes";

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

export function memberRoutes(server: FastifyInstance, context: AdminGroupsContext): void {
  listing(server, context);
  many(server, context);

  server.patch<OfMember & { Body: { role?: "admin" | "member"; mutedUntil?: number } }>(
    "/v1/admin/groups/:groupId/members/:userId",
    {
      config: { access, errors: ["NOT_FOUND", "FORBIDDEN", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Give a role, or mute",
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
        await administerGroup(context, groupId, [userId], (ownerId) =>
          changeMember(ownerId, userId, change, context.now()),
        );
      }
      context.logger.info({ order: "member", groupId, userId, by: request.by }, "an operator's order about a group");
      return reply.code(204).send();
    },
  );
}

function listing(server: FastifyInstance, context: AdminGroupsContext): void {
  server.get<OfGroup>(
    "/v1/admin/groups/:groupId/members",
    {
      config: { access, errors: ["NOT_FOUND"] },
      schema: { summary: "Members by id", tags: TAGS, querystring: listQuery, response: { 200: groupShapes.members } },
    },
    async (request) => {
      const { groupId } = await findGroup(context, request.params.groupId);
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const found = await context.groups.members(groupId, limit + 1, readIdCursor("group-members", cursor));
      const page = pageById("group-members", found, limit, ({ userId }) => userId);
      return { ...page, items: page.items.map(groupShapes.presentMember) };
    },
  );
}

function many(server: FastifyInstance, context: AdminGroupsContext): void {
  const { logger } = context;
  const items = <State>(states: Map<string, State>) => ({
    items: [...states].map(([userId, state]) => ({ userId, state })),
  });

  server.post<OfGroup & Members>(
    "/v1/admin/groups/:groupId/members",
    {
      config: { access, errors: ["NOT_FOUND", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Bring many users into a group, by one event",
        description: "Nobody is asked; who was removed before, or left, comes back.",
        tags: TAGS,
        body: shapes.membersBody,
        response: { 200: shapes.added },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const added = await addMembers(context, groupId, request.body.userIds);
      logger.info({ order: "add", groupId, users: added.size, by: request.by }, "an operator's order about a group");
      return items(added);
    },
  );

  server.post<OfGroup & Members>(
    "/v1/admin/groups/:groupId/members/remove",
    {
      config: { access, errors: ["NOT_FOUND", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Remove many users from a group, by one event",
        description: "They are kept out as if an admin had removed them.",
        tags: TAGS,
        body: shapes.membersBody,
        response: { 200: shapes.removed },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const gone = await removeMembers(context, groupId, request.body.userIds);
      logger.info({ order: "remove", groupId, users: gone.size, by: request.by }, "an operator's order about a group");
      return items(gone);
    },
  );
}
