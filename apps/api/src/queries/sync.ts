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
import { readCursor, writeCursor } from "../http/cursor";
import type { ArchiveBarrier } from "./archive-barrier";
import { type ListContext, listConversations, placeOf } from "./conversation-list";
import { type RelationChangesContext, readRelations } from "./relation-changes";

/** A row whose transaction was open at that moment counts as changed since. */
const CLOCK_MARGIN_MS = 10_000;
const BUSY_RETRY_MS = 1_000;
const CURSOR_FORM = ["number", "string", "number", "number", "string", "number", "number", "number"] as const;

export interface SyncContext extends ListContext, RelationChangesContext {
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
  /** Relations up to this version were sent, and the version that all pages tell. */
  relationsSent: number;
  relationsVersion: number;
}

/** @throws CarillonError BAD_PAYLOAD (cursor), BUSY (Redis away, archive behind) */
export async function sync(context: SyncContext, userId: string, payload: SyncPayload): Promise<SyncedPayload> {
  const { cursor, limit = limits.defaultPageEntries } = payload;
  const most = Math.min(limit, limits.maxPageEntries);
  const start = cursor === undefined ? await begin(context, userId, payload) : continueFrom(cursor);
  const { inbox, syncedAt } = start;
  const changes = await readRelations(context, userId, start.relationsSent, start.relationsVersion, most);
  const page = await pageOf(context, userId, start, most, changes.rows);
  const next = { ...start, relationsSent: changes.sent, after: page.place ?? LAST };
  const more = changes.more || page.place !== undefined;
  return {
    inbox,
    versions: { relations: start.relationsVersion, groups: 0 },
    syncedAt,
    relations: changes.rows,
    groups: [],
    conversations: page.rows,
    counts: {
      relations: changes.count,
      groups: 0,
      conversations: await context.conversations.count(userId),
    },
    more,
    ...(more ? { cursor: toCursor(next) } : {}),
  };
}

/** Before the newest conversation: the page had no room for any. Behind the oldest: only relations are left. */
const FIRST: ConversationPlace = { lastAt: Number.MAX_SAFE_INTEGER, conversationId: "" };
const LAST: ConversationPlace = { lastAt: -1, conversationId: "" };

/** @param before rows that the page has already: together they must fit into a frame */
async function pageOf(
  context: SyncContext,
  userId: string,
  { since, after }: SyncStart,
  most: number,
  before: object[],
) {
  if (after?.lastAt === LAST.lastAt) return { rows: [], place: undefined };
  const options = { since, ...(after === undefined ? {} : { after }) };
  const page = await listConversations(context, userId, most, options);
  const sizes = [...before, ...page.rows].map((row) => encodePayload({ ...row }).length);
  const fitting = fitsSizes(sizes) - before.length;
  const rows = page.rows.slice(0, fitting);
  return { rows, place: fitting < page.rows.length ? placeOf(rows.at(-1) ?? after ?? FIRST) : page.after };
}

async function begin(
  context: SyncContext,
  userId: string,
  { conversationsSince: since = 0, relationsVersion: known = 0 }: SyncPayload,
): Promise<SyncStart> {
  const { heads } = await context.inboxes.heads([userId]).catch(() => {
    throw new CarillonError("BUSY", undefined, { retryAfterMs: BUSY_RETRY_MS });
  });
  const { version } = await context.relations.standing(userId);
  const syncedAt = (await context.conversations.databaseTime()) - CLOCK_MARGIN_MS;
  if (!(await context.barrier.passed())) {
    throw new CarillonError("BUSY", "the archive is behind, try again", { retryAfterMs: BUSY_RETRY_MS });
  }
  // A version that was never given is one of a database that was restored: all is told anew.
  const relationsSent = known > version ? 0 : known;
  return { inbox: heads[0]!, syncedAt, since, after: undefined, relationsSent, relationsVersion: version };
}

function toCursor({ inbox, syncedAt, since, after = FIRST, relationsSent, relationsVersion }: SyncStart): string {
  const { lastAt, conversationId } = after;
  const { epoch, seq } = inbox;
  return writeCursor("sync", [lastAt, conversationId, since, syncedAt, epoch, seq, relationsSent, relationsVersion]);
}

function continueFrom(cursor: string): SyncStart {
  const fields = readCursor("sync", CURSOR_FORM, cursor);
  const [lastAt, conversationId, since, syncedAt, epoch, seq, relationsSent, relationsVersion] = fields as [
    number,
    string,
    number,
    number,
    string,
    number,
    number,
    number,
  ];
  const after = { lastAt, conversationId };
  return { inbox: { epoch, seq }, syncedAt, since, after, relationsSent, relationsVersion };
}
