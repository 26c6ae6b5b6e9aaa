/** One SYNC, page by page, put together. */
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

/** From where on a device wants to be told; nothing: all. */
export type SyncSince = Pick<SyncPayload, "relationsVersion" | "groupsVersion" | "conversationsSince">;

/** What all pages of a SYNC say together. */
export interface Synced {
  /** The newest first. */
  conversations: ConversationRow[];
  relations: RelationRow[];
  groups: GroupRow[];
  /** To be kept for the next SYNC, with `syncedAt`. */
  versions: RelationVersions;
  /** ms by the server's database. */
  syncedAt: number;
  /** How much there is in all, told or not, when the last page was written. */
  counts: SyncCounts;
  /** Ids of rows that are there, but cannot be read on this device. */
  unreadable: ReadonlySet<string>;
}

/**
 * @param request one page over the connection in use
 * @param onPage each page as it comes
 * @returns when the last page has come; versions and time are those of the first, of a row that came twice the later one
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
