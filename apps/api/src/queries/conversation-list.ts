/** The list of a user's conversations: rows of MySQL, corrected by marks that Redis knows and MySQL has not yet. */
import { type ConversationRow, parseConversationId } from "@carillon/protocol";
import type { ConversationPlace, ConversationQueries, ListedConversation, ListOptions, Marks } from "@carillon/store";

export interface ListContext {
  conversations: Pick<ConversationQueries, "list" | "unread">;
  marks: Pick<Marks, "of">;
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
  const found = await context.conversations.list(userId, limit + 1, options);
  const page = found.slice(0, limit);
  return {
    rows: await complete(context, userId, page),
    after: found.length > limit ? placeOf(page.at(-1)!) : undefined,
  };
}

/** One conversation as the list shows it. @returns undefined when he has no such one */
export async function readConversation(
  context: ListContext & { conversations: Pick<ConversationQueries, "find"> },
  userId: string,
  conversationId: string,
): Promise<ConversationRow | undefined> {
  const found = await context.conversations.find(userId, conversationId);
  return found && (await complete(context, userId, [found]))[0];
}

async function complete(
  context: ListContext,
  userId: string,
  listed: ListedConversation[],
): Promise<ConversationRow[]> {
  const marked = await applyMarks(context, userId, listed);
  const unread = await context.conversations.unread(
    marked.map(({ conversationId, readSeq, clearedSeq }) => ({
      conversationId,
      userId,
      above: Math.max(readSeq, clearedSeq),
    })),
  );
  return marked.map((row, i) => ({ ...row, unread: unread[i]! }));
}

export function placeOf({ lastAt, conversationId }: ConversationPlace): ConversationPlace {
  return { lastAt, conversationId };
}

async function applyMarks(
  { marks }: ListContext,
  userId: string,
  rows: ListedConversation[],
): Promise<ListedConversation[]> {
  if (rows.length === 0) return rows;
  const peers = rows.map(({ conversationId }) => peerOf(conversationId, userId));
  // Without Redis the list is a few seconds older, no worse.
  const known = await marks
    .of(rows.map(({ conversationId }, i) => ({ conversationId, userIds: [userId, ...peers[i]!] })))
    .catch(() => undefined);
  if (known === undefined) return rows;
  return rows.map((row, i) => {
    const [own, peer] = known[i]!;
    const readSeq = Math.max(row.readSeq, own?.read ?? 0);
    if (row.peerReadSeq === undefined) return { ...row, readSeq };
    return {
      ...row,
      readSeq,
      peerReadSeq: Math.max(row.peerReadSeq, peer?.read ?? 0),
      peerDeliveredSeq: Math.max(row.peerDeliveredSeq ?? 0, peer?.delivered ?? 0),
    };
  });
}

function peerOf(conversationId: string, userId: string): string[] {
  const parts = parseConversationId(conversationId);
  return parts?.kind === "private" ? parts.userIds.filter((id) => id !== userId).slice(0, 1) : [];
}
