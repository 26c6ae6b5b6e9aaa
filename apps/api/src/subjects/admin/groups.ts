/** Groups as operators and other systems make and change them: `/v1/admin/groups`. */
import {
  administerGroup,
  changeProfile,
  dissolve,
  findGroup,
  makeGroupFor,
  muteAll,
  type ProfileChange,
  transfer,
} from "@carillon/operations";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import * as shapes from "../groups/shapes";
import { memberRoutes, noteOrder } from "./group-members";

const TAGS = ["admin"];
const access = { scope: "groups" } as const;

interface OfGroup {
  Params: { groupId: string };
}

export function adminGroupRoutes(server: FastifyInstance, api: ApiParts): void {
  looking(server, api);
  making(server, api);
  changing(server, api);
  ending(server, api);
  memberRoutes(server, api);
}

function looking(server: FastifyInstance, api: ApiParts): void {
  const { groups } = api;

  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/admin/groups",
    {
      config: { access, errors: [] },
      schema: {
        summary: "List all groups by id, including dissolved ones",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: shapes.groups },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const found = await groups.page(limit + 1, readIdCursor("all-groups", cursor));
      const page = pageById("all-groups", found, limit, ({ groupId }) => groupId);
      return { ...page, items: page.items.map(shapes.present) };
    },
  );

  server.get<OfGroup>(
    "/v1/admin/groups/:groupId",
    {
      config: { access, errors: ["NOT_FOUND"] },
      schema: { summary: "Read a group", tags: TAGS, response: { 200: shapes.group } },
    },
    async (request) => shapes.present(await findGroup(api, request.params.groupId)),
  );
}

function making(server: FastifyInstance, api: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/admin/groups",
    {
      config: { audit: "admin.group.create", access, errors: ["NO_SUCH_USER", "CONFLICT", "FORBIDDEN"] },
      schema: {
        summary: "Create a group for its owner",
        description:
          "All members belong to it at once; they are not asked. 200: the same request has created it before; the answer shows the group as it is now.",
        tags: TAGS,
        body: shapes.createForBody,
        response: { 200: shapes.group, 201: shapes.group },
      },
    },
    async (request, reply) => {
      const { ownerId, ...wishes } = request.body;
      const { group, isNew } = await makeGroupFor(api, ownerId, wishes);
      const { groupId } = group;
      api.logger.info({ groupId, ownerId, by: request.by }, "a group was made by an operator");
      return reply.code(isNew ? 201 : 200).send(shapes.present(group));
    },
  );
}

function changing(server: FastifyInstance, api: ApiParts): void {
  server.patch<OfGroup & { Body: ProfileChange & { muted?: boolean } }>(
    "/v1/admin/groups/:groupId",
    {
      config: { audit: "admin.group.change", access, errors: ["NOT_FOUND", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Change name, notice or join policy, or mute all members",
        tags: TAGS,
        body: shapes.changeBody,
        response: { 200: shapes.group },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const { muted, ...profile } = request.body;
      if (Object.keys(profile).length > 0) {
        await administerGroup(api, groupId, [], (ownerId) => changeProfile(ownerId, profile));
      }
      if (muted !== undefined) await administerGroup(api, groupId, [], (ownerId) => muteAll(ownerId, muted));
      noteOrder(api, request, { order: "change", groupId });
      return shapes.present(await findGroup(api, groupId));
    },
  );

  server.post<OfGroup & { Body: { userId: string } }>(
    "/v1/admin/groups/:groupId/transfer",
    {
      config: { audit: "admin.group.transfer", access, errors: ["NOT_FOUND", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Transfer a group to another member, even if its owner is disabled",
        description: "The former owner becomes an admin.",
        tags: TAGS,
        body: shapes.memberBody,
        response: { 200: shapes.group },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const { userId } = request.body;
      await administerGroup(api, groupId, [userId], (ownerId) => transfer(ownerId, userId));
      noteOrder(api, request, { order: "transfer", groupId, userId });
      return shapes.present(await findGroup(api, groupId));
    },
  );
}

function ending(server: FastifyInstance, api: ApiParts): void {
  server.delete<OfGroup>(
    "/v1/admin/groups/:groupId",
    {
      config: { audit: "admin.group.dissolve", access, errors: ["NOT_FOUND"] },
      schema: { summary: "Dissolve a group; its history stays", tags: TAGS, response: { 204: nothing } },
    },
    async (request, reply) => {
      const { groupId } = request.params;
      await administerGroup(api, groupId, [], (ownerId) => dissolve(ownerId, api.clock.now()));
      noteOrder(api, request, { order: "dissolve", groupId });
      return reply.code(204).send();
    },
  );
}
