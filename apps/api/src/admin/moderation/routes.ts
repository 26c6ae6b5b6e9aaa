/** What is said in a group, for those who answer for it: reading it, and taking messages back. */
import type { Logger } from "@carillon/base/node";
import { groupConversationId } from "@carillon/protocol";
import type { FastifyInstance } from "fastify";
import { history, historyQuery, placeParams } from "../../conversations/shapes";
import { DEFAULT_LIMIT, nothing } from "../../http/shapes";
import { type ModerationContext, readWhole, recallByOperator } from "./recall";

const TAGS = ["admin"];
const access = { scope: "moderation" } as const;

export interface ModerationRoutesContext extends ModerationContext {
  logger: Pick<Logger, "info">;
}

export function moderationRoutes(server: FastifyInstance, context: ModerationRoutesContext): void {
  const { logger } = context;

  server.get<{ Params: { groupId: string } }>(
    "/v1/admin/groups/:groupId/messages",
    {
      config: { access, errors: ["NO_SUCH_CONVERSATION"] },
      schema: {
        summary: "Read messages of a group: the newest, or those before a number",
        description: "The answer covers the whole history, whoever was a member when. The api logs each call.",
        tags: TAGS,
        querystring: historyQuery,
        response: { 200: history },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const { limit = DEFAULT_LIMIT, before } = request.query as { limit?: number; before?: number };
      const from = before === undefined ? Number.MAX_SAFE_INTEGER : before - 1;
      const conversationId = groupConversationId(groupId);
      const page = await readWhole(context, conversationId, { from, limit, backwards: true });
      logger.info({ groupId, before, by: request.by }, "an operator has read in a group");
      return { conversationId, messages: page.events, lastSeq: page.lastSeq, more: page.more };
    },
  );

  server.post<{ Params: { conversationId: string; seq: number } }>(
    "/v1/admin/conversations/:conversationId/messages/:seq/recall",
    {
      config: {
        access,
        work: "message",
        errors: ["NO_SUCH_CONVERSATION", "NO_SUCH_MESSAGE", "RECALL_NOT_ALLOWED"],
      },
      schema: {
        summary: "Recall a message of any user, at any time",
        tags: TAGS,
        params: placeParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { conversationId, seq } = request.params;
      await recallByOperator(context, conversationId, seq);
      logger.info({ conversationId, seq, by: request.by }, "an operator took a message back");
      return reply.code(204).send();
    },
  );
}
