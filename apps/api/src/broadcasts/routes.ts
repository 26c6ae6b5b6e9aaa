/** Messages of one sender to many: `/v1/admin/broadcast`. */
import type { Logger } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { type BroadcastContext, type BroadcastWishes, beginBroadcast } from "./broadcasts";
import * as shapes from "./shapes";

const TAGS = ["admin"];

export interface BroadcastRoutesContext extends BroadcastContext {
  logger: Pick<Logger, "info">;
}

export function broadcastRoutes(server: FastifyInstance, context: BroadcastRoutesContext): void {
  const { broadcasts, logger } = context;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/admin/broadcast",
    {
      config: { access: { scope: "broadcast" }, errors: ["NO_SUCH_USER", "CONFLICT"] },
      schema: {
        summary: "Send a message to many users, or to all",
        description:
          "Each recipient gets it once, as a private message of the sender, after the same checks as if the sender had written it. 202: the " +
          "broadcast is stored and continues by itself, even if an api stops. The same broadcastId again changes nothing.",
        tags: TAGS,
        body: shapes.broadcastBody,
        response: { 202: shapes.begun },
      },
    },
    async (request, reply) => {
      const broadcastId = await beginBroadcast(context, request.body as BroadcastWishes);
      logger.info({ broadcastId, by: request.by }, "a broadcast");
      return reply.code(202).send({ broadcastId });
    },
  );

  routes.get<{ Params: { broadcastId: string } }>(
    "/v1/admin/broadcasts/:broadcastId",
    {
      config: { access: { scope: "broadcast" }, errors: ["NOT_FOUND"] },
      schema: { summary: "Read the progress of a broadcast", tags: TAGS, response: { 200: shapes.progress } },
    },
    async (request) => {
      const found = await broadcasts.find(request.params.broadcastId);
      if (found === undefined) throw new CarillonError("NOT_FOUND", "no such broadcast");
      const { broadcastId, senderId, createdAt, sent, refused, doneAt, userIds } = found;
      return {
        ...{ broadcastId, senderId, createdAt, sent, refused, isDone: doneAt !== undefined },
        ...(userIds === undefined ? {} : { total: userIds.length }),
        ...(doneAt === undefined ? {} : { doneAt }),
      };
    },
  );
}
