/** The list of a user's conversations: rows of MySQL, corrected by marks that Redis has and MySQL lacks. */
import { type ConversationRow, peerOf } from "@carillon/protocol";
import type { ConversationPlace, ConversationQueries, ListedConversation, ListOptions, Marks } from "@carillon/store";

/** Sources of the marks and counts that a row of the list shows. */
export interface MarkedContext {
  conversations: Pick<ConversationQueries, "unread">;
  marks: Pick<Marks, "of">;
}

export interface ListContext extends MarkedContext {
  conversations: Pick<ConversationQueries, "list" | "unread">;
}

/** A page, newest first; `after` continues behind its last row, undefined when there is no more. */
export interface ConversationPage {
  rows: ConversationRow[];
  after: ConversationPlace | undefined;
}

/** @param options as those of the query */
export async function listConversations(
  context: ListContext,
  userId: string,
  limit: number,
  options: ListOptions = {},
): Promise<ConversationPage> {
  return toPage(context, userId, limit, await context.conversations.list(userId, limit + 1, options));
}

/** @param found newest first, more than `limit` when there are more */
export async function toPage(
  context: MarkedContext,
  userId: string,
  limit: number,
  found: ListedConversation[],
): Promise<ConversationPage> {
  const page = found.slice(0, limit);
  return {
    rows: await complete(context, userId, page),
    after: found.length > limit ? placeOf(page.at(-1)!) : undefined,
  };
}

/** Reads one conversation as the list shows it. @returns undefined when the user has no such conversation */
export async function readConversation(
  context: ListContext & { conversations: Pick<ConversationQueries, "find"> },
  userId: string,
  conversationId: string,
): Promise<ConversationRow | undefined> {
  const found = await context.conversations.find(userId, conversationId);
  return found && (await complete(context, userId, [found]))[0];
}

async function complete(
  context: MarkedContext,
  userId: string,
  listed: ListedConversation[],
): Promise<ConversationRow[]> {
  const marked = await applyMarks(context, userId, listed);
  const unread = await context.conversations.unread(
    marked.map(({ conversationId, readSeq, clearedSeq, lastSeq }) => ({
      conversationId,
      userId,
      above: Math.max(readSeq, clearedSeq),
      upTo: lastSeq,
    })),
  );
  return marked.map((row, i) => ({ ...row, unread: unread[i]! }));
}

export function placeOf({ lastAt, conversationId }: ConversationPlace): ConversationPlace {
  return { lastAt, conversationId };
}

/** Read marks are in MySQL first; delivered marks are there some seconds later than in Redis. */
async function applyMarks(
  { marks }: MarkedContext,
  userId: string,
  rows: ListedConversation[],
): Promise<ListedConversation[]> {
  const wanted = rows.flatMap(({ conversationId, isHeld }) => {
    if (isHeld === true) return [];
    const peerId = peerOf(conversationId, userId);
    return peerId === undefined ? [] : [{ conversationId, userIds: [peerId] }];
  });
  // Without Redis the list is a few seconds older, no worse.
  const known = wanted.length === 0 ? [] : await marks.of(wanted).catch(() => undefined);
  const delivered = new Map(wanted.map(({ conversationId }, i) => [conversationId, known?.[i]?.[0]?.delivered ?? 0]));
  return rows.map(({ isHeld, ...row }) => {
    const { conversationId, peerDeliveredSeq } = row;
    if (peerDeliveredSeq === undefined || isHeld === true) return row;
    return { ...row, peerDeliveredSeq: Math.max(peerDeliveredSeq, delivered.get(conversationId) ?? 0) };
  });
}
