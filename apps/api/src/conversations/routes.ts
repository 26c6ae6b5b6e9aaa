/** The list of conversations, and their history. */

import type { ConversationPlace } from "@carillon/store";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Authenticator } from "../auth/authenticate";
import { readCursor, writeCursor } from "../http/cursor";
import { DEFAULT_LIMIT, listQuery } from "../http/shapes";
import type { ArchiveBarrier } from "../queries/archive-barrier";
import { type ListContext, listConversations } from "../queries/conversation-list";
import { type HistoryContext, readHistory } from "../queries/history";
import { conversations, history, historyQuery } from "./shapes";

export interface ConversationRoutesContext extends Omit<ListContext & HistoryContext, "conversations"> {
  authenticator: Authenticator;
  conversations: ListContext["conversations"] & HistoryContext["conversations"];
  barrier: Pick<ArchiveBarrier, "passed">;
}

export function conversationRoutes(server: FastifyInstance, context: ConversationRoutesContext): void {
  const { authenticator, barrier } = context;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/conversations",
    {
      schema: {
        summary: "Conversations, newest first",
        tags: ["conversations"],
        querystring: listQuery,
        response: { 200: conversations },
      },
    },
    async (request) => {
      const { userId } = await authenticator.authenticate(request.headers.authorization);
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const after = cursor === undefined ? undefined : readPlace(cursor);
      // An archive that is behind makes the list older; SYNC is the one that must not miss anything.
      if (after === undefined) await barrier.passed().catch(() => false);
      const page = await listConversations(context, userId, limit, after === undefined ? {} : { after });
      return { items: page.rows, ...(page.after === undefined ? {} : { cursor: writePlace(page.after) }) };
    },
  );

  routes.get<{ Params: { conversationId: string } }>(
    "/v1/conversations/:conversationId/messages",
    {
      schema: {
        summary: "History, the newest or those before a number",
        tags: ["conversations"],
        querystring: historyQuery,
        response: { 200: history },
      },
    },
    async (request) => {
      const { userId } = await authenticator.authenticate(request.headers.authorization);
      const { conversationId } = request.params;
      const { limit = DEFAULT_LIMIT, before } = request.query as { limit?: number; before?: number };
      const from = before === undefined ? Number.MAX_SAFE_INTEGER : before - 1;
      const page = await readHistory(context, userId, conversationId, { from, limit, backwards: true });
      return { conversationId, messages: page.events, lastSeq: page.lastSeq, more: page.more };
    },
  );
}

const writePlace = ({ lastAt, conversationId }: ConversationPlace) =>
  writeCursor("conversations", [lastAt, conversationId]);

function readPlace(cursor: string): ConversationPlace {
  const [lastAt, conversationId] = readCursor("conversations", ["number", "string"], cursor) as [number, string];
  return { lastAt, conversationId };
}
