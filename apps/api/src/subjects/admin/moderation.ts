/** Moderation for operators: reading any conversation, and recalling messages. */

import { createHash } from "node:crypto";
import { uuidv7 } from "@carillon/base";
import { CarillonError, groupConversationId, isConversationId } from "@carillon/protocol";
import type { FastifyInstance } from "fastify";
import { DEFAULT_LIMIT, nothing } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { type HistoryPage, type HistoryRange, readHistory } from "../../reading/history";
import { history, historyQuery, placeParams } from "../conversations/shapes";

const TAGS = ["admin"];
const access = { scope: "moderation" } as const;

export function moderationRoutes(server: FastifyInstance, api: ApiParts): void {
  const { logger } = api;

  server.get<{ Params: { groupId: string } }>(
    "/v1/admin/groups/:groupId/messages",
    {
      config: { audit: "admin.group.read", access, errors: ["NO_SUCH_CONVERSATION"] },
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
      const page = await readWhole(api, conversationId, { from, limit, backwards: true });
      logger.info({ groupId, before, by: request.by }, "an operator has read in a group");
      return { conversationId, messages: page.events, lastSeq: page.lastSeq, more: page.more };
    },
  );

  server.post<{ Params: { conversationId: string; seq: number } }>(
    "/v1/admin/conversations/:conversationId/messages/:seq/recall",
    {
      config: {
        audit: "admin.message.recall",
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
      await recallByOperator(api, conversationId, seq);
      logger.info({ conversationId, seq, by: request.by }, "an operator took a message back");
      return reply.code(204).send();
    },
  );
}

/**
 * A recall by operators. The request takes the way of every RECALL, in the name of the message's sender, and says that it comes
 * from operators: so neither rights nor time limit count. Its id follows from the message, so a message is recalled once.
 */

/** Reads a conversation with everything that is kept, cleared or not. @throws CarillonError NO_SUCH_CONVERSATION, BUSY */
async function readWhole(api: ApiParts, conversationId: string, range: HistoryRange): Promise<HistoryPage> {
  if (!isConversationId(conversationId)) throw new CarillonError("NO_SUCH_CONVERSATION");
  return readHistory(api, "", conversationId, range, api.owners.whole(conversationId));
}

/** @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE, RECALL_NOT_ALLOWED (it is no message), BUSY */
async function recallByOperator(api: ApiParts, conversationId: string, seq: number): Promise<void> {
  const range = { from: seq, to: seq, limit: 1, backwards: false };
  const [event] = (await readWhole(api, conversationId, range)).events;
  if (event === undefined) throw new CarillonError("NO_SUCH_MESSAGE");
  if (event.kind !== "message") throw new CarillonError("RECALL_NOT_ALLOWED", "this is no message of somebody");
  // It was recalled before.
  if (event.content === undefined) return;
  const { senderId, sentAt } = event;
  const clientMsgId = uuidv7(sentAt, createHash("sha256").update(`recall ${conversationId} ${seq}`).digest());
  const recall = { senderId, clientMsgId, conversationId, contentType: "system", content: "", targetSeq: seq };
  await api.messages.send({ ...recall, byOperator: true });
}
