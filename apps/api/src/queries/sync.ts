/**
 * SYNC: what a device needs to know when it cannot go on from its cursor. The inbox is read first, then the archive is
 * waited for: an event that was put into the inbox before is in the rows, and any later one comes by DELIVER. So
 * nothing that was acknowledged falls between the two.
 *
 * Later pages repeat inbox and time of the first, which the cursor carries: they describe one and the same sync.
 */
import {
  CarillonError,
  encodePayload,
  fitsSizes,
  type InboxPosition,
  limits,
  type SyncedPayload,
  type SyncPayload,
} from "@carillon/protocol";
import type { ConversationPlace, ConversationQueries, Inboxes } from "@carillon/store";
import type { ArchiveBarrier } from "./archive-barrier";
import { type ListContext, listConversations, placeOf } from "./conversation-list";
import { readCursor, writeCursor } from "./cursor";

/** A row whose transaction was open at that moment counts as changed since. */
const CLOCK_MARGIN_MS = 10_000;
const BUSY_RETRY_MS = 1_000;
const CURSOR_FORM = ["number", "string", "number", "number", "string", "number"] as const;

export interface SyncContext extends ListContext {
  conversations: Pick<ConversationQueries, "list" | "unread" | "count" | "databaseTime">;
  inboxes: Pick<Inboxes, "heads">;
  barrier: Pick<ArchiveBarrier, "passed">;
}

/** What all pages of a sync share. */
interface SyncStart {
  inbox: InboxPosition;
  syncedAt: number;
  since: number;
  after: ConversationPlace | undefined;
}

/** @throws CarillonError BAD_PAYLOAD (cursor), BUSY (Redis away, archive behind) */
export async function sync(context: SyncContext, userId: string, payload: SyncPayload): Promise<SyncedPayload> {
  const { cursor, limit = limits.defaultPageEntries } = payload;
  const start =
    cursor === undefined ? await begin(context, userId, payload.conversationsSince ?? 0) : continueFrom(cursor);
  const { inbox, syncedAt, since, after } = start;
  const options = { since, ...(after === undefined ? {} : { after }) };
  const page = await listConversations(context, userId, Math.min(limit, limits.maxPageEntries), options);
  const fitting = fitsSizes(page.rows.map((row) => encodePayload({ ...row }).length));
  const conversations = page.rows.slice(0, fitting);
  const place = fitting < page.rows.length ? placeOf(conversations.at(-1)!) : page.after;
  return {
    inbox,
    versions: { relations: 0, groups: 0 },
    syncedAt,
    relations: [],
    groups: [],
    conversations,
    counts: { relations: 0, groups: 0, conversations: await context.conversations.count(userId) },
    more: place !== undefined,
    ...(place === undefined ? {} : { cursor: toCursor(start, place) }),
  };
}

async function begin(context: SyncContext, userId: string, since: number): Promise<SyncStart> {
  const { heads } = await context.inboxes.heads([userId]).catch(() => {
    throw new CarillonError("BUSY", undefined, { retryAfterMs: BUSY_RETRY_MS });
  });
  const syncedAt = (await context.conversations.databaseTime()) - CLOCK_MARGIN_MS;
  if (!(await context.barrier.passed())) {
    throw new CarillonError("BUSY", "the archive is behind, try again", { retryAfterMs: BUSY_RETRY_MS });
  }
  return { inbox: heads[0]!, syncedAt, since, after: undefined };
}

function toCursor({ inbox, syncedAt, since }: SyncStart, place: ConversationPlace): string {
  return writeCursor("sync", [place.lastAt, place.conversationId, since, syncedAt, inbox.epoch, inbox.seq]);
}

function continueFrom(cursor: string): SyncStart {
  const [lastAt, conversationId, since, syncedAt, epoch, seq] = readCursor("sync", CURSOR_FORM, cursor) as [
    number,
    string,
    number,
    number,
    string,
    number,
  ];
  return { inbox: { epoch, seq }, syncedAt, since, after: { lastAt, conversationId } };
}
