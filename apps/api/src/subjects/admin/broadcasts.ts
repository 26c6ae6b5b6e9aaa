import { CarillonError, sentContentTypeValues } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { content, shortId, strict, time, userId } from "../../http/shapes";
import { type BroadcastOrder, beginBroadcast } from "../../jobs/broadcasts";
import type { LeaseJob } from "../../jobs/lease-job";
import type { ApiParts } from "../../parts";

const TAGS = ["admin"];

export function broadcastRoutes(server: FastifyInstance, api: ApiParts, job: Pick<LeaseJob, "wake">): void {
  const { broadcasts, logger } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/admin/broadcast",
    {
      config: { audit: "admin.broadcast", access: { scope: "broadcast" }, errors: ["NO_SUCH_USER", "CONFLICT"] },
      schema: {
        summary: "Send a message to many users, or to all",
        description:
          "Each recipient gets it once, as a private message of the sender, after the same checks as if the sender had written it. 202: the " +
          "broadcast is stored and continues by itself, even if an api stops. The same broadcastId again changes nothing.",
        tags: TAGS,
        body: broadcastBody,
        response: { 202: begun },
      },
    },
    async (request, reply) => {
      const broadcastId = await beginBroadcast(api, request.body as BroadcastOrder);
      job.wake();
      logger.info({ broadcastId, by: request.by }, "a broadcast");
      return reply.code(202).send({ broadcastId });
    },
  );

  routes.get<{ Params: { broadcastId: string } }>(
    "/v1/admin/broadcasts/:broadcastId",
    {
      config: { access: { scope: "broadcast" }, errors: ["NOT_FOUND"] },
      schema: { summary: "Read the progress of a broadcast", tags: TAGS, response: { 200: progress } },
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

/** Bodies of the requests and answers about broadcasts. */

const MOST_RECIPIENTS = 1_500;

const broadcastBody = strict({
  broadcastId: Type.Optional(shortId()),
  senderId: userId,
  contentType: Type.Enum([...sentContentTypeValues]),
  content,
  userIds: Type.Optional(
    Type.Array(userId, { minItems: 1, maxItems: MOST_RECIPIENTS, description: "Absent: all users except the sender" }),
  ),
});

const begun = Type.Object({ broadcastId: Type.String() });

const progress = Type.Object({
  broadcastId: Type.String(),
  senderId: Type.String(),
  createdAt: time,
  sent: Type.Integer({ description: "Messages that were accepted" }),
  refused: Type.Integer({ description: "Recipients to whom the sender may not write, or who do not exist" }),
  total: Type.Optional(Type.Integer({ description: "Number of named recipients" })),
  isDone: Type.Boolean(),
  doneAt: Type.Optional(time),
});
