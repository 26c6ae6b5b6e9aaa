/**
 * SYNC tells a device everything that it needs when it cannot continue from its cursor. The api reads the inbox first, then waits
 * for the archive: an event that was in the inbox before is in the rows, and a later event comes by DELIVER. So no acknowledged
 * message falls between the two.
 *
 * The three lists share a page. The first page begins with conversations: a new device shows the newest of them after one round
 * trip, however many friends and groups there are. On later pages people and groups come first, since the app needs their names,
 * and the older conversations follow.
 *
 * Later pages repeat inbox and time of the first page, which the cursor carries: all pages describe the same sync.
 */
import { busy, limits, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import type { InboxHeadAndReach, SyncOverview } from "@carillon/store";
import type { ArchiveBarrier } from "./archive-barrier";
import type { SharedQuestions } from "./shared-questions";
import { ALL_GROUPS, ALL_LISTED, fromCursor, NEWEST, type SyncStart, toCursor } from "./sync-cursor";
import {
  conversationsPart,
  groupsPart,
  type PageOwner,
  PageRoom,
  relationsPart,
  type SyncListsContext,
} from "./sync-lists";

/** A row whose transaction was open at that moment counts as changed since. */
const CLOCK_MARGIN_MS = 10_000;

export interface SyncContext extends SyncListsContext {
  shared: SyncListsContext["shared"] & Pick<SharedQuestions, "overview" | "inbox">;
  barrier: Pick<ArchiveBarrier, "passedFor">;
}

/** @throws CarillonError BAD_PAYLOAD (cursor), BUSY (Redis away, archive behind) */
export async function sync(context: SyncContext, userId: string, payload: SyncPayload): Promise<SyncedPayload> {
  const { cursor, limit = limits.defaultPageEntries } = payload;
  const { start, overview } = await (cursor === undefined
    ? begin(context, userId, payload)
    : goOn(context, userId, cursor));
  const { lists, next } = await readPage(context, { userId, ...overview }, start, new PageRoom(limit));
  const more =
    next.place.lastAt !== ALL_LISTED.lastAt ||
    next.relationsSent < next.relationsVersion ||
    next.groupsAfter !== ALL_GROUPS;
  const syncedAt = start.begunAt - CLOCK_MARGIN_MS;
  return {
    inbox: start.inbox,
    versions: { relations: start.relationsVersion, groups: syncedAt },
    syncedAt,
    ...lists,
    // A device that has another number after this one asks for everything.
    counts: overview.counts,
    more,
    ...(more ? { cursor: toCursor(next) } : {}),
  };
}

type Lists = Pick<SyncedPayload, "conversations" | "relations" | "groups">;

async function readPage(
  context: SyncContext,
  owner: PageOwner,
  start: SyncStart,
  room: PageRoom,
): Promise<{ lists: Lists; next: SyncStart }> {
  const first = start.isFirst ? await conversationsPart(context, owner, start, room) : undefined;
  const relations = await relationsPart(context, owner, start, room);
  const groups = await groupsPart(context, owner, start, room);
  const conversations = first ?? (await conversationsPart(context, owner, start, room));
  return {
    lists: { relations: relations.rows, groups: groups.rows, conversations: conversations.rows },
    next: { ...start, ...relations.next, ...groups.next, ...conversations.next },
  };
}

/** Where a page begins, and what the user has. */
interface Begun {
  start: SyncStart;
  overview: SyncOverview;
}

async function goOn({ shared }: SyncContext, userId: string, cursor: string): Promise<Begun> {
  return { start: fromCursor(cursor), overview: await shared.overview(userId) };
}

async function begin(context: SyncContext, userId: string, known: SyncPayload): Promise<Begun> {
  const { conversationsSince = 0, relationsVersion = 0, groupsVersion = 0 } = known;
  const { head, reach } = await readInbox(context, userId);
  if (!(await context.barrier.passedFor(reach))) {
    throw busy({ message: "the archive is behind, try again" });
  }
  // Behind the barrier: the count includes everything that the lists will contain.
  const overview = await context.shared.overview(userId);
  const { relationsVersion: version, now: begunAt } = overview;
  // A version that was never issued belongs to a database that was restored: everything is sent again.
  const unlessLater = (value: number, latest: number) => (value > latest ? 0 : value);
  const start: SyncStart = {
    inbox: head,
    begunAt,
    isFirst: true,
    since: unlessLater(conversationsSince, begunAt),
    place: NEWEST,
    relationsSent: unlessLater(relationsVersion, version),
    relationsVersion: version,
    groupsSince: unlessLater(groupsVersion, begunAt),
    groupsAfter: "",
  };
  return { start, overview };
}

/** Where the inbox stands now; what it has had is read after that. @throws CarillonError BUSY */
async function readInbox({ shared }: SyncContext, userId: string): Promise<InboxHeadAndReach> {
  try {
    return await shared.inbox(userId);
  } catch (cause) {
    throw busy({ cause });
  }
}
