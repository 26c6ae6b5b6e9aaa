/**
 * Deletes messages that are older than the operator wants to keep. The newest event of a conversation always stays, because the
 * next number is counted from it. Readers are told first that the older messages are gone; then they are deleted, so that
 * nobody waits for rows that will never come.
 *
 * The highest cut ever made is stored: when an operator later keeps messages for longer, deleted messages do not come back.
 */
import { snowflakeAt } from "@carillon/base";
import type { Sql } from "../sql";

/** Maximum number of rows deleted by one statement, which holds locks on them. */
const ROWS_AT_ONCE = 1_000;

export interface ExpiredPart {
  conversationId: string;
  /** Everything up to this number may be deleted. */
  upTo: number;
}

export class RetentionQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns conversations with deletable events sent before `olderThan` (ms since 1970); at most `limit`. */
  async expired(olderThan: number, limit: number): Promise<ExpiredPart[]> {
    // Ids grow with time, and so do numbers: the old messages of a conversation are its beginning.
    return this.sql.rows<ExpiredPart>(
      `SELECT m.conversation AS conversationId, MAX(m.seq) AS upTo
       FROM messages m JOIN conversations c ON c.id = m.conversation
       WHERE m.message_id < CAST(? AS UNSIGNED) AND m.seq < c.last_seq
       GROUP BY m.conversation LIMIT ?`,
      [snowflakeAt(olderThan), limit],
    );
  }

  /** Stores that messages sent before this time (ms since 1970) are about to be deleted. */
  async raiseCut(sentBefore: number): Promise<void> {
    await this.sql.run(
      `INSERT INTO retention_cut (id, sent_before) VALUES (1, ?)
       ON DUPLICATE KEY UPDATE sent_before = GREATEST(sent_before, VALUES(sent_before))`,
      [sentBefore],
    );
  }

  /** @returns number of deleted rows */
  async purge({ conversationId, upTo }: ExpiredPart): Promise<number> {
    await this.sql.run("UPDATE conversations SET purged_seq = GREATEST(purged_seq, ?) WHERE id = ?", [
      upTo,
      conversationId,
    ]);
    let deleted = 0;
    while (true) {
      const now = await this.sql.run("DELETE FROM messages WHERE conversation = ? AND seq <= ? LIMIT ?", [
        conversationId,
        upTo,
        ROWS_AT_ONCE,
      ]);
      deleted += now;
      if (now < ROWS_AT_ONCE) return deleted;
    }
  }
}
