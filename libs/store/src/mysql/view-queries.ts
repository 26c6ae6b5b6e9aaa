/** A user's own view of a conversation (pinned, muted, cleared, hidden), and the users who have read an event. */
import { databaseTime, type Sql } from "./sql";

/** Maximum of the count. */
const MOST_COUNTED = 10_000;

export interface ViewChange {
  pinned?: boolean;
  muted?: boolean;
  /** The user has cleared the conversation up to this number. */
  clearedSeq?: number;
  /** The conversation is in no list until it has an event above this number; 0: it is in the list. */
  hiddenSeq?: number;
}

/** Numbers up to which nothing of a conversation is shown. */
export interface Floor {
  /** To all users: retention has deleted it. */
  purgedSeq: number;
  /** To this user, who has cleared it. */
  hiddenSeq: number;
}

export interface Reader {
  userId: string;
  readSeq: number;
}

/** An event, and the sender to leave out. */
export interface ReadEvent {
  conversationId: string;
  seq: number;
  senderId: string;
  /** The group to which readers must have belonged at this event; undefined: no group. */
  groupId: string | undefined;
  /** Users who have read after this time, ms by the database's clock, are left out; undefined: none. */
  until?: number | undefined;
}

export class ViewQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Changes a user's view of a conversation; cleared messages stay cleared.
   * @returns time of the change, ms by the database's clock; undefined when the user does not have the conversation
   */
  async change(userId: string, conversationId: string, change: ViewChange): Promise<number | undefined> {
    const { pinned, muted, clearedSeq = 0, hiddenSeq } = change;
    return this.sql.transaction(async (statements) => {
      const changedAt = await databaseTime(statements);
      const met = await statements.run(
        `UPDATE conversation_members SET pinned = COALESCE(?, pinned), muted = COALESCE(?, muted),
           cleared_seq = GREATEST(cleared_seq, ?), hidden_seq = GREATEST(hidden_seq, ?),
           unlisted_seq = COALESCE(?, unlisted_seq), changed_at = ?
         WHERE user_id = ? AND conversation = ?`,
        [pinned ?? null, muted ?? null, clearedSeq, clearedSeq, hiddenSeq ?? null, changedAt, userId, conversationId],
      );
      return met === 0 ? undefined : changedAt;
    });
  }

  async floor(userId: string, conversationId: string): Promise<Floor> {
    const [row] = await this.sql.rows<{ purgedSeq: number; hiddenSeq: number | null }>(
      `SELECT c.purged_seq AS purgedSeq, m.hidden_seq AS hiddenSeq FROM conversations c
       LEFT JOIN conversation_members m ON m.conversation = c.id AND m.user_id = ? WHERE c.id = ?`,
      [userId, conversationId],
    );
    return { purgedSeq: row?.purgedSeq ?? 0, hiddenSeq: row?.hiddenSeq ?? 0 };
  }

  /** Returns the users who have read up to an event, by id, after `after`. */
  async readers(event: ReadEvent, limit: number, after = ""): Promise<Reader[]> {
    const { condition, values } = readersOf(event);
    return this.sql.rows<Reader>(
      `SELECT m.user_id AS userId, ${TOLD} AS readSeq ${condition} AND m.user_id > ? ORDER BY m.user_id LIMIT ?`,
      [...values, after, limit],
    );
  }

  /** Counts the users who have read up to an event; 10,000 at most. */
  async readerCount(event: ReadEvent): Promise<number> {
    const { condition, values } = readersOf(event);
    const [row] = await this.sql.rows<{ total: number }>(
      `SELECT COUNT(*) AS total FROM (SELECT 1 ${condition} LIMIT ${MOST_COUNTED}) AS counted`,
      values,
    );
    return row!.total;
  }
}

/** The read mark that other users are told: while one of two users blocks the other, the mark of before the block. */
const TOLD = "COALESCE(m.told_read_seq, m.read_seq)";

function readersOf({ conversationId, seq, senderId, groupId, until }: ReadEvent): {
  condition: string;
  values: unknown[];
} {
  const belonged = `AND EXISTS (SELECT 1 FROM group_stays s WHERE s.group_id = ? AND s.user_id = m.user_id
    AND s.joined_seq BETWEEN 1 AND ? AND (s.left_seq IS NULL OR s.left_seq >= ?))`;
  return {
    condition: `FROM conversation_members m WHERE m.conversation = ? AND ${TOLD} >= ? AND m.user_id <> ?
      ${groupId === undefined ? "" : belonged} ${until === undefined ? "" : "AND m.changed_at <= ?"}`,
    values: [
      conversationId,
      seq,
      senderId,
      ...(groupId === undefined ? [] : [groupId, seq, seq]),
      ...(until === undefined ? [] : [until]),
    ],
  };
}
