/** Reads the archive for operators: single messages, and the data for checks of numbers and contents. */
import { snowflakeAt } from "@carillon/base";
import type { Sql } from "../sql";

/** A row of the archive. */
export interface ArchivedMessage {
  conversationId: string;
  seq: number;
  messageId: string;
  senderId: string;
  clientMsgId: string;
  contentType: string;
  /** A recalled message keeps its id here. */
  content: string | null;
  sentAt: number;
}

/** A summary of the numbers of one conversation. */
export interface ConversationNumbers {
  conversationId: string;
  /** Number of rows, with the lowest and highest number. */
  count: number;
  first: number;
  last: number;
  /** Number of messages, and number of different pairs (sender, clientMsgId). */
  messages: number;
  ids: number;
  /** The last number in the conversation's own row; null: there is no such row. */
  lastSeq: number | null;
  /** Number up to which retention has deleted messages. */
  purgedSeq: number;
}

/** Marks of one user in a conversation. */
export interface MemberMarks {
  userId: string;
  read: number;
  delivered: number;
}

const COLUMNS = `conversation AS conversationId, seq, CAST(message_id AS CHAR) AS messageId, sender AS senderId,
  client_msg_id AS clientMsgId, content_type AS contentType, content, sent_at AS sentAt`;

export class AuditQueries {
  constructor(private readonly sql: Sql) {}

  async byMessageId(messageId: string): Promise<ArchivedMessage | undefined> {
    return (await this.find("message_id = CAST(? AS UNSIGNED)", [messageId], 1))[0];
  }

  /** Returns messages under an id that were accepted from `from` to `to` (ms since the Unix epoch); at most 10. */
  async byClientMsgId(clientMsgId: string, from: number, to: number): Promise<ArchivedMessage[]> {
    // No index begins with this id, but message ids grow with time.
    const condition = "message_id BETWEEN CAST(? AS UNSIGNED) AND CAST(? AS UNSIGNED) AND client_msg_id = ?";
    return this.find(condition, [snowflakeAt(from), snowflakeAt(to), clientMsgId], 10);
  }

  /** Returns the rows at these places; messages that are not archived are missing. */
  async at(places: { conversationId: string; seq: number }[]): Promise<ArchivedMessage[]> {
    if (places.length === 0) return [];
    const condition = places.map(() => "(conversation = ? AND seq = ?)").join(" OR ");
    const values = places.flatMap(({ conversationId, seq }) => [conversationId, seq]);
    return this.find(condition, values, places.length);
  }

  /** Returns a page of conversations after `after`, in the order of their ids. */
  async numbers(after: string, limit: number): Promise<ConversationNumbers[]> {
    return this.numbersOf("m.conversation > ?", after, limit);
  }

  /** As `numbers`, for one conversation; undefined when none of its messages is archived. */
  async numbersIn(conversationId: string): Promise<ConversationNumbers | undefined> {
    return (await this.numbersOf("m.conversation = ?", conversationId, 1))[0];
  }

  /** Returns a page of the numbers of one conversation above `after`, ascending. */
  async seqs(conversationId: string, after: number, limit: number): Promise<number[]> {
    const rows = await this.sql.rows<{ seq: number }>(
      "SELECT seq FROM messages WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT ?",
      [conversationId, after, limit],
    );
    return rows.map(({ seq }) => seq);
  }

  async marks(conversationId: string): Promise<MemberMarks[]> {
    return this.sql.rows<MemberMarks>(
      `SELECT user_id AS userId, read_seq AS \`read\`, delivered_seq AS delivered
       FROM conversation_members WHERE conversation = ?`,
      [conversationId],
    );
  }

  private find(condition: string, values: unknown[], limit: number): Promise<ArchivedMessage[]> {
    return this.sql.rows(`SELECT ${COLUMNS} FROM messages WHERE ${condition} LIMIT ?`, [...values, limit]);
  }

  private async numbersOf(condition: string, value: string, limit: number): Promise<ConversationNumbers[]> {
    const rows = await this.sql.rows<Omit<ConversationNumbers, "purgedSeq"> & { purgedSeq: number | null }>(
      `SELECT m.conversation AS conversationId, COUNT(*) AS count, MIN(m.seq) AS first, MAX(m.seq) AS last,
         COUNT(IF(m.kind = 'message', 1, NULL)) AS messages,
         COUNT(DISTINCT IF(m.kind = 'message', CONCAT(m.sender, ' ', m.client_msg_id), NULL)) AS ids,
         (SELECT c.last_seq FROM conversations c WHERE c.id = m.conversation) AS lastSeq,
         (SELECT c.purged_seq FROM conversations c WHERE c.id = m.conversation) AS purgedSeq
       FROM messages m WHERE ${condition} GROUP BY m.conversation ORDER BY m.conversation LIMIT ?`,
      [value, limit],
    );
    return rows.map((row) => ({ ...row, purgedSeq: row.purgedSeq ?? 0 }));
  }
}
