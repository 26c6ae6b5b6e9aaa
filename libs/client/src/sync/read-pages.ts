/** Reads one SYNC page by page, and joins the pages. */
import {
  type ConversationRow,
  type GroupRow,
  type Lenient,
  limits,
  type RelationRow,
  type RelationVersions,
  type SyncCounts,
  type SyncedPayload,
  type SyncPayload,
} from "@carillon/protocol";

/** The versions and the time from which on a device wants changes; empty: the server sends everything. */
export type SyncSince = Pick<SyncPayload, "relationsVersion" | "groupsVersion" | "conversationsSince">;

/** The joined pages of a SYNC. */
export interface Synced {
  /** The newest conversation is first. */
  conversations: ConversationRow[];
  relations: RelationRow[];
  groups: GroupRow[];
  /** The device keeps them for the next SYNC, with `syncedAt`. */
  versions: RelationVersions;
  /** The time of the server's database, ms since 1970. */
  syncedAt: number;
  /** The numbers of all rows that the user had when the server wrote the last page, sent or not. */
  counts: SyncCounts;
  /** The ids of rows that exist, but that this device cannot read. */
  unreadable: ReadonlySet<string>;
}

/**
 * Reads all pages of a SYNC.
 * @param request fetches one page over the connection in use
 * @param onPage is called with each page as it comes
 * @returns the joined pages, after the last one; versions and time are those of the first page; if a row came twice, the later
 *   one counts
 */
export async function readPages(
  request: (payload: SyncPayload) => Promise<SyncedPayload>,
  since: SyncSince = {},
  onPage: (page: SyncedPayload) => void = () => {},
): Promise<Synced> {
  const first = await request({ ...since, limit: limits.maxPageEntries });
  onPage(first);
  const { versions, syncedAt } = first;
  const pages: Lenient<SyncedPayload>[] = [first];
  for (let page = first; page.more && page.cursor !== undefined; pages.push(page)) {
    page = await request({ cursor: page.cursor, limit: limits.maxPageEntries });
    onPage(page);
  }
  const { counts } = pages.at(-1) as SyncedPayload;
  return {
    conversations: latest(pages.flatMap((page) => page.conversations.map((row) => [row.conversationId, row]))),
    relations: latest(pages.flatMap((page) => page.relations.map((row) => [row.userId, row]))),
    groups: latest(pages.flatMap((page) => page.groups.map((row) => [row.groupId, row]))),
    ...{ versions, syncedAt, counts },
    unreadable: new Set(pages.flatMap(({ unreadable = [] }) => unreadable.flatMap(({ id = [] }) => id))),
  };
}

function latest<T>(rows: [id: string, row: T][]): T[] {
  return [...new Map(rows).values()];
}
