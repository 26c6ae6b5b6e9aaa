/** The questions of SYNC, each by one statement for many users, because thousands of devices ask together. */
import { asId, DATABASE_NOW, keyTable, type Sql } from "./sql";

/** The counts and versions of everything that SYNC lists for a user. */
export interface SyncOverview {
  /** The version of their relations. */
  relationsVersion: number;
  /** The database's clock, ms. */
  now: number;
  counts: {
    /** Relations with a state other than `none`. */
    relations: number;
    groups: number;
    /** Conversations that `ConversationQueries.list` returns. */
    conversations: number;
  };
  /** Groups to which the user belongs or belonged. */
  memberships: number;
}

export class SyncQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns the counts by user, all from one moment. @param userIds each once, not empty */
  async overviews(userIds: string[]): Promise<Map<string, SyncOverview>> {
    const { table, values } = keyTable(
      ["user_id"],
      userIds.map((userId) => [userId]),
    );
    const userId = asId("w.user_id");
    const rows = await this.sql.rows<OverviewRow>(
      `SELECT w.user_id AS owner, ${DATABASE_NOW} AS now,
         (SELECT relations_version FROM user_versions WHERE user_id = ${userId}) AS version,
         (SELECT COUNT(*) FROM relations WHERE owner_id = ${userId} AND state <> 'none') AS related,
         (SELECT COUNT(*) FROM group_members m JOIN user_groups g ON g.id = m.group_id
            WHERE m.user_id = ${userId} AND m.present = 1 AND g.dissolved_at IS NULL) AS joined,
         (SELECT COUNT(*) FROM group_members WHERE user_id = ${userId}) AS memberships,
         (SELECT COUNT(*) FROM conversation_members m JOIN conversations c ON c.id = m.conversation
            WHERE m.user_id = ${userId}) AS listed
       FROM ${table} AS w`,
      values,
    );
    return new Map(rows.map((row) => [row.owner, toOverview(row)]));
  }
}

interface OverviewRow {
  owner: string;
  now: number;
  version: number | null;
  related: number;
  joined: number;
  memberships: number;
  listed: number;
}

function toOverview({ now, version, related, joined, memberships, listed }: OverviewRow): SyncOverview {
  const counts = { relations: related, groups: joined, conversations: listed };
  return { relationsVersion: version ?? 0, now, counts, memberships };
}
