/**
 * Deleting what is older than an operator wants to keep. The newest event of a conversation always stays: the highest
 * number is what the next one is counted from. Readers are told first that the rest is gone, then it is deleted, so that
 * nobody waits for rows that will never come.
 *
 * The highest cut ever made is kept: an operator may want to keep messages for longer later, and what was deleted does not
 * come back by that.
 */
import { snowflakeAt } from "@carillon/base";
import type { Sql } from "../sql";

/** Rows of one statement: deleting holds locks on them. */
const ROWS_AT_ONCE = 1_000;

export interface ExpiredPart {
  conversationId: string;
  /** Everything up to this number may go. */
  upTo: number;
}

export class RetentionQueries {
  constructor(private readonly sql: Sql) {}

  /** Conversations with events sent before `olderThan` (ms since 1970) that may go; at most `limit`. */
  async expired(olderThan: number, limit: number): Promise<ExpiredPart[]> {
    // Ids rise with time, and so do numbers: what is old in a conversation is its beginning.
    return this.sql.rows<ExpiredPart>(
      `SELECT m.conversation AS conversationId, MAX(m.seq) AS upTo
       FROM messages m JOIN conversations c ON c.id = m.conversation
       WHERE m.message_id < CAST(? AS UNSIGNED) AND m.seq < c.last_seq
       GROUP BY m.conversation LIMIT ?`,
      [snowflakeAt(olderThan), limit],
    );
  }

  /** Messages sent before this time (ms since 1970) are about to be deleted. */
  async raiseCut(sentBefore: number): Promise<void> {
    await this.sql.run(
      `INSERT INTO retention_cut (id, sent_before) VALUES (1, ?)
       ON DUPLICATE KEY UPDATE sent_before = GREATEST(sent_before, VALUES(sent_before))`,
      [sentBefore],
    );
  }

  /** @returns how many rows were deleted */
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
