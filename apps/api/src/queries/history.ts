/**
 * History of a conversation. How far it reaches the owner says, who has numbered the last message; the rows come from
 * the archive, which is a moment behind. Numbers have no holes, so it is known how many rows there must be, and those
 * that are not archived yet are waited for.
 */
import { sleep } from "@carillon/base";
import { CarillonError, decodeEvent, type Event, parseConversationId } from "@carillon/protocol";
import type { ConversationQueries, RecentEvents } from "@carillon/store";

const WAIT_MS = 2_000;
const POLL_MS = 25;
const BUSY_RETRY_MS = 1_000;

export interface HistoryRange {
  /** First number wanted, in reading direction. */
  from: number;
  /** Last number wanted; undefined: as far as it goes. */
  to?: number | undefined;
  limit: number;
  backwards: boolean;
}

export interface HistoryPage {
  /** Ascending. */
  events: Event[];
  lastSeq: number;
  /** Whether the range goes on behind the page. */
  more: boolean;
}

export interface HistoryContext {
  conversations: Pick<ConversationQueries, "history" | "purgedSeq">;
  /** Newest events of large groups, as far as they are at hand. */
  recent?: Pick<RecentEvents, "read">;
  /**
   * From where to where the user may read the conversation, from its owner; to 0: no messages.
   * @throws CarillonError NO_SUCH_CONVERSATION when it is none of his
   */
  span(userId: string, conversationId: string): Promise<Span>;
  waitMs?: number;
}

/** Both ends inclusive. */
interface Span {
  from: number;
  to: number;
  lastSeq: number;
}

/**
 * A page of the conversation as this user may see it. What lies above the last number is empty, not an error.
 * @throws CarillonError NO_SUCH_CONVERSATION (also for one of others), BUSY when the archive does not come after
 */
export async function readHistory(
  context: HistoryContext,
  userId: string,
  conversationId: string,
  range: HistoryRange,
): Promise<HistoryPage> {
  const span = await context.span(userId, conversationId);
  const { lastSeq } = span;
  if (lastSeq === 0) throw new CarillonError("NO_SUCH_CONVERSATION");
  const page = pageOf(span, range);
  const recent = await readRecent(context, conversationId, page);
  if (recent !== undefined) return { events: recent, lastSeq, more: page.more };
  const purged = await context.conversations.purgedSeq(conversationId);
  const kept = pageOf({ ...span, from: Math.max(span.from, purged + 1) }, range);
  if (kept.first > kept.last) return { events: [], lastSeq, more: false };
  const events = await readRows(context, conversationId, kept.first, kept.last);
  return { events, lastSeq, more: kept.more };
}

/** The numbers of a page, and whether the range goes on behind them. */
function pageOf(span: Span, range: HistoryRange): { first: number; last: number; more: boolean } {
  const [low, high] = range.backwards
    ? [Math.max(span.from, range.to ?? 1), Math.min(range.from, span.to)]
    : [Math.max(span.from, range.from), Math.min(range.to ?? span.to, span.to)];
  const [first, last] = range.backwards
    ? [Math.max(low, high - range.limit + 1), high]
    : [low, Math.min(high, low + range.limit - 1)];
  return { first, last, more: first > low || last < high };
}

/** @returns undefined unless all of them are at hand */
async function readRecent(
  { recent }: HistoryContext,
  conversationId: string,
  { first, last }: { first: number; last: number },
): Promise<Event[] | undefined> {
  if (recent === undefined || first > last || parseConversationId(conversationId)?.kind !== "group") return undefined;
  const found = await recent.read(conversationId, first, last).catch(() => []);
  return found.length === last - first + 1 ? found.map(({ event }) => decodeEvent(event)) : undefined;
}

async function readRows(
  { conversations, waitMs = WAIT_MS }: HistoryContext,
  conversationId: string,
  from: number,
  to: number,
): Promise<Event[]> {
  const limit = to - from + 1;
  const deadline = performance.now() + waitMs;
  while (true) {
    const events = await conversations.history(conversationId, { from, to, limit, newestFirst: false });
    if (events.length === limit) return events;
    if (performance.now() >= deadline) {
      throw new CarillonError("BUSY", "the archive is behind, try again", { retryAfterMs: BUSY_RETRY_MS });
    }
    await sleep(POLL_MS);
  }
}
