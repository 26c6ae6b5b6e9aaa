/**
 * History of a conversation. The conversation's owner has numbered the last message and says how far history reaches; the rows
 * come from the archive, which is a moment behind. Numbers have no holes, so the reader knows how many rows there must be, and
 * waits for those that are not archived yet.
 */
import { sleep } from "@carillon/base";
import type { ConversationOwners } from "@carillon/operations";
import { busy, CarillonError, decodeEvent, type Event, parseConversationId } from "@carillon/protocol";
import type { ConversationQueries, Floor, RecentEvents, ViewQueries } from "@carillon/store";

const WAIT_MS = 2_000;
const POLL_MS = 25;

export interface HistoryRange {
  /** First number wanted, in reading direction. */
  from: number;
  /** Last number wanted; undefined: as far as it goes. */
  to?: number | undefined;
  limit: number;
  backwards: boolean;
  /**
   * Leaves out what the user has cleared. A device that fills its gaps needs every number: it is given cleared messages
   * without their content, marked `cleared`.
   */
  hidesCleared?: boolean;
}

export interface HistoryPage {
  /** Ascending. */
  events: Event[];
  lastSeq: number;
  /** Whether the range goes on behind the page. */
  more: boolean;
}

export interface HistoryContext {
  conversations: Pick<ConversationQueries, "history">;
  views: Pick<ViewQueries, "floor">;
  /** Newest events of large groups, as far as they are at hand. */
  recent?: Pick<RecentEvents, "read" | "clearedUpTo">;
  owners: Pick<ConversationOwners, "spansOf">;
  waitMs?: number;
}

type Span = [from: number, to: number];

/**
 * Reads a page of the conversation as this user may see it. A range above the last number is empty, not an error.
 * @param readable what the reader may read; operators read all
 * @throws CarillonError NO_SUCH_CONVERSATION (also for one of others), BUSY when the archive does not come after
 */
export async function readHistory(
  context: HistoryContext,
  userId: string,
  conversationId: string,
  range: HistoryRange,
  readable = context.owners.spansOf(userId, conversationId),
): Promise<HistoryPage> {
  const { spans, lastSeq } = await readable;
  if (lastSeq === 0) throw new CarillonError("NO_SUCH_CONVERSATION");
  const askFloor = () => context.views.floor(userId, conversationId);
  const floor = range.hidesCleared === true ? await askFloor() : undefined;
  const page = pageOf(spans, range, floor === undefined ? 1 : lowestOf(floor));
  const recent = await readRecent(context, userId, conversationId, page.parts);
  if (recent !== undefined) return { events: recent, lastSeq, more: page.more };
  const { purgedSeq, hiddenSeq } = floor ?? (await askFloor());
  const { parts, more } = floor === undefined ? pageOf(spans, range, purgedSeq + 1) : page;
  const events: Event[] = [];
  for (const [from, to] of parts) events.push(...(await readRows(context, conversationId, from, to)));
  return { events: events.map((event) => clearedBelow(hiddenSeq, event)), lastSeq, more };
}

/** A message that the user has cleared has no content; it is marked, so that no device shows it. */
function clearedBelow(hiddenSeq: number, event: Event): Event {
  if (event.seq > hiddenSeq || event.kind !== "message") return event;
  const { content: _, ...rest } = event;
  return { ...rest, cleared: true };
}

/** Returns the first number that is shown to a user who has cleared the conversation. */
const lowestOf = ({ purgedSeq, hiddenSeq }: Floor) => Math.max(purgedSeq, hiddenSeq) + 1;

/** The numbers of a page, ascending, and whether the range goes on behind them. */
function pageOf(spans: Span[], range: HistoryRange, lowest = 1): { parts: Span[]; more: boolean } {
  const [low, high] = range.backwards
    ? [range.to ?? 1, range.from]
    : [range.from, range.to ?? Number.POSITIVE_INFINITY];
  const readable = spans
    .map(([from, to]): Span => [Math.max(from, low, lowest), Math.min(to, high)])
    .filter(([from, to]) => from <= to);
  const parts: Span[] = [];
  let left = range.limit;
  let more = false;
  for (const [from, to] of range.backwards ? readable.reverse() : readable) {
    const count = Math.min(left, to - from + 1);
    more ||= count < to - from + 1;
    left -= count;
    if (count > 0) parts.push(range.backwards ? [to - count + 1, to] : [from, from + count - 1]);
  }
  return { parts: range.backwards ? parts.reverse() : parts, more };
}

/** @returns undefined unless all of them are at hand */
async function readRecent(
  { recent }: HistoryContext,
  userId: string,
  conversationId: string,
  parts: Span[],
): Promise<Event[] | undefined> {
  const [part] = parts;
  if (recent === undefined || part === undefined || parts.length > 1) return undefined;
  if (parseConversationId(conversationId)?.kind !== "group") return undefined;
  const [found, hiddenSeq] = await Promise.all([
    recent.read(conversationId, ...part),
    recent.clearedUpTo(conversationId, userId),
  ]).catch(() => [[], 0] as const);
  if (found.length < part[1] - part[0] + 1) return undefined;
  return found.map(({ event }) => clearedBelow(hiddenSeq, decodeEvent(event)));
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
      throw busy({ message: "the archive is behind, try again" });
    }
    await sleep(POLL_MS);
  }
}
