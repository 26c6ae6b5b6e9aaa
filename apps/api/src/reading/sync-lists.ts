/**
 * The three lists of SYNC. Each list puts as many rows into a page as fit, and says where it continues.
 *
 * Conversations are ordered by their last event. While a device fetches page after page, a conversation that was not listed yet
 * may get an event and move to the front, where the device would miss it. So a list of more than one page ends with the
 * conversations that have changed since the sync began.
 */
import { type ConversationRow, encodePayload, type GroupRow, limits, type RelationRow } from "@carillon/protocol";
import type {
  ConversationQueries,
  ListedConversation,
  MembershipQueries,
  RelationQueries,
  SyncOverview,
  UserQueries,
} from "@carillon/store";
import { placeOf, toPage } from "./conversation-list";
import type { SharedQuestions } from "./shared-questions";
import { ALL_GROUPS, ALL_LISTED, NEWEST, type SyncStart } from "./sync-cursor";

/** A user with at most so many rows of a kind gets them from one statement for many users. */
const FEW = 64;

export interface SyncListsContext {
  shared: Pick<SharedQuestions, "conversationsOfFew" | "groupsOfFew" | "unread" | "marks">;
  conversations: Pick<ConversationQueries, "list">;
  relations: Pick<RelationQueries, "changedSince">;
  memberships: Pick<MembershipQueries, "changedSince">;
  people: Pick<UserQueries, "names">;
}

/** The user of the page, and the number of their rows. */
export interface PageOwner extends Pick<SyncOverview, "counts" | "memberships"> {
  userId: string;
}

/** The rows and bytes that a page has left. */
export class PageRoom {
  private readonly most: number;
  private taken = 0;
  private bytes = 0;

  /** @param limit rows of a page */
  constructor(limit: number) {
    this.most = Math.min(limit, limits.maxPageEntries);
  }

  get rows(): number {
    return this.most - this.taken;
  }

  /** @returns the rows at the beginning for which there is room; an empty page always has room for one */
  take<T extends object>(rows: readonly T[]): T[] {
    const fitting = rows.findIndex((row) => !this.takes(row));
    return rows.slice(0, fitting === -1 ? rows.length : fitting);
  }

  private takes(row: object): boolean {
    const size = encodePayload({ ...row }).length;
    if (this.rows === 0 || (this.taken > 0 && this.bytes + size > limits.maxBatchBytes)) return false;
    this.taken++;
    this.bytes += size;
    return true;
  }
}

/** A part of a page, and where the sync stands behind it. */
export interface ListPart<T> {
  rows: T[];
  next: Partial<SyncStart>;
}

export async function conversationsPart(
  context: SyncListsContext,
  owner: PageOwner,
  start: SyncStart,
  room: PageRoom,
): Promise<ListPart<ConversationRow>> {
  const { shared } = context;
  let { since, place } = start;
  const rows: ConversationRow[] = [];
  while (place.lastAt !== ALL_LISTED.lastAt && room.rows > 0) {
    const found = await listed(context, owner, { ...start, since, place }, room.rows + 1);
    const marked = { conversations: shared, marks: { of: shared.marks } };
    const page = await toPage(marked, owner.userId, room.rows, found);
    const fitting = room.take(page.rows);
    rows.push(...fitting);
    if (fitting.length < page.rows.length) {
      if (fitting.length > 0) place = placeOf(fitting.at(-1)!);
      break;
    }
    if (page.after !== undefined) place = page.after;
    else if (start.isFirst || since === start.begunAt) place = ALL_LISTED;
    else [since, place] = [start.begunAt, NEWEST];
  }
  return { rows, next: { since, place } };
}

/** The conversations behind a place, newest first, so many or all. */
async function listed(
  { shared, conversations }: SyncListsContext,
  { userId, counts }: PageOwner,
  { isFirst, since, place, begunAt }: SyncStart,
  limit: number,
): Promise<ListedConversation[]> {
  const isFromTop = isFirst && place.lastAt === NEWEST.lastAt;
  if (isFromTop && counts.conversations <= FEW) return shared.conversationsOfFew({ userId, since });
  const which = since === begunAt ? { writtenSince: since } : { since };
  return conversations.list(userId, limit, { ...which, after: place });
}

/** Relations that changed above the device's version, in the order of the changes. */
export async function relationsPart(
  { relations, people }: SyncListsContext,
  { userId }: PageOwner,
  { relationsSent, relationsVersion }: SyncStart,
  room: PageRoom,
): Promise<ListPart<RelationRow>> {
  if (relationsSent >= relationsVersion) return { rows: [], next: {} };
  const found = await relations.changedSince(userId, relationsSent, room.rows + 1);
  const names = await people.names(found.map((row) => row.userId));
  const rows = room.take(
    found.map(({ userId: peerId, state, remark, version }) => ({
      userId: peerId,
      state,
      displayName: names.get(peerId)?.displayName ?? "",
      ...(remark === undefined ? {} : { remark }),
      version,
    })),
  );
  if (rows.length === found.length) return { rows, next: { relationsSent: relationsVersion } };
  return { rows, next: { relationsSent: rows.at(-1)?.version ?? relationsSent } };
}

/** Groups that changed since the device's time, by id. */
export async function groupsPart(
  { shared, memberships }: SyncListsContext,
  { userId, memberships: count }: PageOwner,
  { groupsSince: since, groupsAfter }: SyncStart,
  room: PageRoom,
): Promise<ListPart<GroupRow>> {
  if (groupsAfter === ALL_GROUPS) return { rows: [], next: {} };
  if (count === 0) return { rows: [], next: { groupsAfter: ALL_GROUPS } };
  const found =
    groupsAfter === "" && count <= FEW
      ? await shared.groupsOfFew({ userId, since })
      : await memberships.changedSince(userId, since, room.rows + 1, groupsAfter);
  const rows = room.take(found);
  if (rows.length === found.length) return { rows, next: { groupsAfter: ALL_GROUPS } };
  return { rows, next: { groupsAfter: rows.at(-1)?.groupId ?? groupsAfter } };
}
