/** What every page of SYNC asks beside its rows: one statement each, since thousands of devices ask at once. */
import { DATABASE_NOW, type Sql } from "./sql";

export interface SyncCounts {
  /** Relations that are something. */
  relations: number;
  groups: number;
  /** Those that `ConversationQueries.list` gives. */
  conversations: number;
}

export class SyncQueries {
  constructor(private readonly sql: Sql) {}

  /** The version of a user's relations, and the time of the database's clock, ms; both of one moment. */
  async start(userId: string): Promise<{ relationsVersion: number; now: number }> {
    const [row] = await this.sql.rows<{ version: number | null; now: number }>(
      `SELECT (SELECT relations_version FROM user_versions WHERE user_id = ?) AS version, ${DATABASE_NOW} AS now`,
      [userId],
    );
    return { relationsVersion: row!.version ?? 0, now: row!.now };
  }

  /** How much there is of each, in a sync from the beginning. */
  async counts(userId: string): Promise<SyncCounts> {
    const [row] = await this.sql.rows<{ related: number; joined: number; listed: number }>(
      `SELECT
         (SELECT COUNT(*) FROM relations WHERE owner_id = ? AND state <> 'none') AS related,
         (SELECT COUNT(*) FROM group_members m JOIN user_groups g ON g.id = m.group_id
            WHERE m.user_id = ? AND m.present = 1 AND g.dissolved_at IS NULL) AS joined,
         (SELECT COUNT(*) FROM conversation_members m JOIN conversations c ON c.id = m.conversation
            WHERE m.user_id = ?) AS listed`,
      [userId, userId, userId],
    );
    const { related, joined, listed } = row!;
    return { relations: related, groups: joined, conversations: listed };
  }
}
