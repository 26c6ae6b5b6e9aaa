/** The list of conversations, and their history. */

import { CarillonError, parseConversationId } from "@carillon/protocol";
import type { ConversationPlace, ReadEvent, Reader } from "@carillon/store";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "../../http/access";
import { pageById, readCursor, readIdCursor, writeCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { listConversations } from "../../reading/conversation-list";
import { readHistory } from "../../reading/history";
import { changeSettings, findConversation, type SettingsChange } from "./settings";
import * as shapes from "./shapes";

const TAGS = ["conversations"];

interface Params {
  conversationId: string;
}

export function conversationRoutes(server: FastifyInstance, api: ApiParts): void {
  const { barrier } = api;
  singleConversation(server, api);
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/conversations",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "List conversations, newest first",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: shapes.conversations },
      },
    },
    async (request) => {
      const { userId } = callerOf(request);
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const after = cursor === undefined ? undefined : readPlace(cursor);
      // An archive that is behind makes the list older; SYNC is the one that must not miss anything.
      if (after === undefined) await barrier.passed().catch(() => false);
      const page = await listConversations(api, userId, limit, after === undefined ? {} : { after });
      return { items: page.rows, ...(page.after === undefined ? {} : { cursor: writePlace(page.after) }) };
    },
  );

  routes.get<{ Params: Params }>(
    "/v1/conversations/:conversationId/messages",
    {
      config: { access: "user", errors: ["NO_SUCH_CONVERSATION"] },
      schema: {
        summary: "Read messages of a conversation: the newest, or those before a number",
        tags: TAGS,
        querystring: shapes.historyQuery,
        response: { 200: shapes.history },
      },
    },
    async (request) => {
      const { userId } = callerOf(request);
      const { conversationId } = request.params;
      const { limit = DEFAULT_LIMIT, before } = request.query as { limit?: number; before?: number };
      const from = before === undefined ? Number.MAX_SAFE_INTEGER : before - 1;
      const page = await readHistory(api, userId, conversationId, {
        from,
        limit,
        backwards: true,
        hidesCleared: true,
      });
      return { conversationId, messages: page.events, lastSeq: page.lastSeq, more: page.more };
    },
  );
}

function singleConversation(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get<{ Params: Params }>(
    "/v1/conversations/:conversationId",
    {
      config: { access: "user", errors: ["NO_SUCH_CONVERSATION"] },
      schema: { summary: "Read a conversation", tags: TAGS, response: { 200: shapes.conversation } },
    },
    (request) => findConversation(api, callerOf(request).userId, request.params.conversationId),
  );

  routes.patch<{ Params: Params }>(
    "/v1/conversations/:conversationId",
    {
      config: { access: "user", errors: ["NO_SUCH_CONVERSATION"] },
      schema: {
        summary: "Pin, mute, clear or hide a conversation",
        description:
          "The settings hold for the caller only, on all devices. Cleared messages are no longer in the caller's history, unread count or " +
          "preview; other users see them as before. Clearing cannot be undone. A hidden conversation has `hiddenSeq` in its row until a new " +
          "event arrives; clients do not list it until then.",
        tags: TAGS,
        body: shapes.settingsBody,
        response: { 200: shapes.conversation },
      },
    },
    (request) =>
      changeSettings(api, callerOf(request).userId, request.params.conversationId, request.body as SettingsChange),
  );

  routes.get<{ Params: Params & { seq: number } }>(
    "/v1/conversations/:conversationId/messages/:seq/readers",
    {
      config: { access: "user", errors: ["NO_SUCH_CONVERSATION", "NO_SUCH_MESSAGE"] },
      schema: {
        summary: "List the users who have read a message",
        description: "The sender is not in the list. For a large group the answer is only a number, at most 10,000.",
        tags: TAGS,
        params: shapes.placeParams,
        querystring: listQuery,
        response: { 200: shapes.readers },
      },
    },
    (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const wanted = cursor === undefined ? { limit } : { limit, cursor };
      return listReaders(api, callerOf(request).userId, request.params, wanted);
    },
  );
}

const writePlace = ({ lastAt, conversationId }: ConversationPlace) =>
  writeCursor("conversations", [lastAt, conversationId]);

function readPlace(cursor: string): ConversationPlace {
  const [lastAt, conversationId] = readCursor("conversations", ["number", "string"], cursor) as [number, string];
  return { lastAt, conversationId };
}

/** The readers of a message: names, or for a large group only their number. */

/** Of a large group there are no names: it would be a list of thousands, of which each member could ask. */
type ReadersPage = { items: Reader[]; cursor?: string } | { count: number };

/**
 * Lists the users who have read up to an event, without its sender: the peer, or the members who may have seen it. The marks are
 * those of MySQL, which are a moment behind.
 * @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE (also a message that the user may not read), BUSY
 */
async function listReaders(
  api: ApiParts,
  userId: string,
  place: { conversationId: string; seq: number },
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<ReadersPage> {
  const { conversationId, seq } = place;
  const range = { from: seq, to: seq, limit: 1, backwards: false, hidesCleared: true };
  const [event] = (await readHistory(api, userId, conversationId, range)).events;
  if (event === undefined) throw new CarillonError("NO_SUCH_MESSAGE");
  const { views, groups, config } = api;
  const parts = parseConversationId(conversationId);
  const group = parts?.kind === "group" ? await groups.find(parts.groupId) : undefined;
  const read: ReadEvent = {
    conversationId,
    seq,
    senderId: event.senderId,
    groupId: config.groups.historyBeforeJoining ? undefined : group?.groupId,
    // A user who has left learns nothing of later reading.
    until: group === undefined ? undefined : await groups.leftAt(group.groupId, userId),
  };
  if (group?.fanOut === "read") return { count: await views.readerCount(read) };
  const found = await views.readers(read, limit + 1, readIdCursor("readers", cursor));
  return pageById("readers", found, limit, (reader) => reader.userId);
}
