/** Invitations over HTTP, for those who are invited. */
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "../http/access";
import { pageById, readIdCursor } from "../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../http/shapes";
import { acceptInvited, type InvitationContext } from "./invitations";
import * as shapes from "./shapes";

interface GroupParams {
  groupId: string;
}

export function invitationRoutes(server: FastifyInstance, context: InvitationContext): void {
  const { invitations, now } = context;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/group-invitations",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "List one's own invitations to groups",
        description: "Devices receive CHANGED {what: `groups`} for a new invitation.",
        tags: ["groups"],
        querystring: listQuery,
        response: { 200: shapes.invitations },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const after = readIdCursor("invitations", cursor);
      const found = await invitations.list(callerOf(request).userId, limit + 1, after);
      return pageById("invitations", found, limit, ({ groupId }) => groupId);
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/group-invitations/:groupId/accept",
    {
      config: { access: "user", errors: ["NOT_FOUND", "FORBIDDEN"] },
      schema: { summary: "Accept an invitation and join the group", tags: ["groups"], response: { 204: nothing } },
    },
    async (request, reply) => {
      await acceptInvited(context, callerOf(request).userId, request.params.groupId);
      return reply.code(204).send();
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/group-invitations/:groupId/reject",
    {
      config: { access: "user", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Reject an invitation; nobody is told, and nobody can invite the caller there again for a week",
        tags: ["groups"],
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const isThere = await invitations.turnDown(callerOf(request).userId, request.params.groupId, now());
      if (!isThere) throw new CarillonError("NOT_FOUND", "there is no such invitation");
      return reply.code(204).send();
    },
  );
}
