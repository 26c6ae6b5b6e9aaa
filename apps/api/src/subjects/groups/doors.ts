/** Requests to be let into a group, and bans, over HTTP. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "../../http/access";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { mustBeAdmin } from "./change-group";
import { acceptAsked, REFUSED_MS, refuseAsked, withdraw } from "./requests";
import * as shapes from "./shapes";

const TAGS = ["groups"];

interface GroupParams {
  groupId: string;
}
interface UserParams extends GroupParams {
  userId: string;
}

export function doorRoutes(server: FastifyInstance, api: ApiParts): void {
  ownRequests(server, api);
  requests(server, api);
  bans(server, api);
}

function ownRequests(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/group-requests",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "List one's own requests to join groups",
        description:
          "A refused request stays in the list for a week; the caller cannot ask again before. After the answer the caller's devices receive CHANGED {what: `groups`}.",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: shapes.ownRequests },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const after = readIdCursor("own-requests", cursor);
      const refusedAfter = api.clock.now() - REFUSED_MS;
      const found = await api.requests.ofUser(callerOf(request).userId, refusedAfter, limit + 1, after);
      const page = pageById("own-requests", found, limit, ({ groupId }) => groupId);
      const present = ({ refusedAt, ...asked }: (typeof found)[number]) =>
        refusedAt === undefined ? asked : { ...asked, refusedAt };
      return { ...page, items: page.items.map(present) };
    },
  );

  routes.delete<{ Params: GroupParams }>(
    "/v1/group-requests/:groupId",
    {
      config: { access: "user", errors: [] },
      schema: { summary: "Take back one's own request to join a group", tags: TAGS, response: { 204: nothing } },
    },
    async (request, reply) => {
      await withdraw(api, request.params.groupId, callerOf(request).userId);
      return reply.code(204).send();
    },
  );
}

function requests(server: FastifyInstance, api: ApiParts): void {
  server.get<{ Params: GroupParams }>(
    "/v1/groups/:groupId/requests",
    {
      config: { access: "user", errors: ["NOT_A_MEMBER", "FORBIDDEN"] },
      schema: {
        summary: "List the users who ask to join, by id; for admins",
        description:
          "The admins' devices receive CHANGED {what: `groups`} for a new request; SYNC tells them how many wait.",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: shapes.requests },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      await mustBeAdmin(api, callerOf(request).userId, groupId);
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const found = await api.requests.list(groupId, limit + 1, readIdCursor("requests", cursor));
      return pageById("requests", found, limit, ({ userId }) => userId);
    },
  );
  for (const [name, summary, answer] of [
    ["accept", "Accept a request to join", acceptAsked],
    ["reject", "Refuse a request to join, for a week", refuseAsked],
  ] as const) {
    server.post<{ Params: UserParams }>(
      `/v1/groups/:groupId/requests/:userId/${name}`,
      {
        config: {
          audit: `group.request.${name}`,
          access: "user",
          errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED", "NOT_FOUND"],
        },
        schema: { summary, tags: TAGS, response: { 204: nothing } },
      },
      async (request, reply) => {
        const { groupId, userId } = request.params;
        await answer(api, callerOf(request).userId, groupId, userId);
        return reply.code(204).send();
      },
    );
  }
}

function bans(server: FastifyInstance, api: ApiParts): void {
  const { groups } = api;

  server.get<{ Params: GroupParams }>(
    "/v1/groups/:groupId/bans",
    {
      config: { access: "user", errors: ["NOT_A_MEMBER", "FORBIDDEN"] },
      schema: {
        summary: "List the banned users, by id; for admins",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: shapes.bans },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      await mustBeAdmin(api, callerOf(request).userId, groupId);
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const found = await groups.bans(groupId, limit + 1, readIdCursor("bans", cursor));
      return pageById("bans", found, limit, ({ userId }) => userId);
    },
  );

  server.delete<{ Params: UserParams }>(
    "/v1/groups/:groupId/bans/:userId",
    {
      config: { audit: "group.ban.lift", access: "user", errors: ["NOT_A_MEMBER", "FORBIDDEN"] },
      schema: {
        summary: "Lift a ban: the removed user may join again like any other",
        tags: TAGS,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { groupId, userId } = request.params;
      await mustBeAdmin(api, callerOf(request).userId, groupId);
      await groups.liftBan(groupId, userId);
      return reply.code(204).send();
    },
  );
}
