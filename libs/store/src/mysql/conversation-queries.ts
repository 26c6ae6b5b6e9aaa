/** Reads conversations for their members: lists, history, marks. */
import {
  type ConversationRow,
  type Event,
  groupConversationId,
  groupIdOf,
  parseConversationId,
} from "@carillon/protocol";
import { asId, DATABASE_NOW, databaseTime, keyTable, type Sql, type Statements } from "./sql";

/** Maximum unread count: a conversation with more unread messages shows this number. */
const MOST_UNREAD = 10_000;

/** The marks of a user in a conversation. 0: unchanged, or nothing yet. */
export interface StoredMark {
  conversationId: string;
  userId: string;
  read: number;
  delivered: number;
}

/** The place after the last row of a page, newest first. */
export interface ConversationPlace {
  lastAt: number;
  conversationId: string;
}

export interface ListOptions {
  since?: number;
  writtenSince?: number;
  after?: ConversationPlace;
}

/** A row of the list without its unread count, which depends on marks of which Redis may know newer ones. */
export type ListedConversation = Omit<ConversationRow, "unread"> & {
  /** Whether the peer's marks are frozen by a block: newer ones must not be used. */
  isHeld?: true;
};

/**
 * Asks for all conversations of a user; with `since` (ms by the database's clock; 0: all) for those changed or written to since.
 */
export interface ListQuestion {
  userId: string;
  since: number;
}

/** The key of a question. */
export const listId = ({ userId, since }: ListQuestion) => `${userId} ${since}`;

export interface UnreadQuestion {
  conversationId: string;
  userId: string;
  /** Messages above this number count, */
  above: number;
  /**
   * up to this number, which is that of the list: a device that continues to count from the list must not count messages
   * twice.
   */
  upTo: number;
}

export class ConversationQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Returns archived events with numbers from `from` to `to` (both inclusive), ascending; at most `limit`, the lowest of them
   * or, with `newestFirst`, the highest. A recalled message has no content.
   */
  async history(
    conversationId: string,
    range: { from: number; to: number; limit: number; newestFirst: boolean },
  ): Promise<Event[]> {
    const rows = await this.sql.rows<HistoryRow>(
      `SELECT seq, message_id, kind, sender, client_msg_id, content_type, IF(recalled = 1, NULL, content) AS content,
         target_seq, sent_at
       FROM messages WHERE conversation = ? AND seq BETWEEN ? AND ?
       ORDER BY seq ${range.newestFirst ? "DESC" : "ASC"} LIMIT ?`,
      [conversationId, range.from, range.to, range.limit],
    );
    if (range.newestFirst) rows.reverse();
    return rows.map((row) => toEvent(conversationId, row));
  }

  /**
   * Returns the user's conversations, newest first.
   * @param options.since only conversations changed or written to since, ms by the database's clock
   * @param options.writtenSince only conversations written to since
   * @param options.after begin after this place
   */
  async list(userId: string, limit: number, options: ListOptions = {}): Promise<ListedConversation[]> {
    const { since = 0, writtenSince = 0, after } = options;
    const behind = after === undefined ? "" : "AND (c.last_at < ? OR (c.last_at = ? AND c.id > ?))";
    const rows = await this.sql.rows<ListRow>(
      `SELECT ${LIST_COLUMNS} FROM conversation_members m ${LIST_JOINS}
       WHERE m.user_id = ? ${sinceCondition(since)} AND c.changed_at >= ? ${behind}
       ORDER BY c.last_at DESC, c.id ASC LIMIT ?`,
      [
        userId,
        ...sinceValues(since),
        writtenSince,
        ...(after === undefined ? [] : [after.lastAt, after.lastAt, after.conversationId]),
        limit,
      ],
    );
    return rows.map((row) => toListed(userId, row));
  }

  /**
   * Returns the complete lists of several users, for users with few conversations; by the `listId` of the question.
   * @param questions each once, not empty
   */
  async listsOfFew(questions: ListQuestion[]): Promise<Map<string, ListedConversation[]>> {
    const { table, values } = keyTable(
      ["user_id", "since"],
      questions.map(({ userId, since }) => [userId, since]),
    );
    const rows = await this.sql.rows<ListRow & { owner: string; since: number }>(
      `SELECT w.user_id AS owner, w.since, ${LIST_COLUMNS}
       FROM ${table} AS w STRAIGHT_JOIN conversation_members m ON m.user_id = ${asId("w.user_id")} ${LIST_JOINS}
       WHERE w.since = 0 OR c.changed_at >= w.since OR m.changed_at >= w.since OR p.changed_at >= w.since`,
      values,
    );
    const lists = new Map(questions.map((question) => [listId(question), [] as ListedConversation[]]));
    for (const row of rows.sort(newestFirst)) {
      lists.get(listId({ userId: row.owner, since: row.since }))!.push(toListed(row.owner, row));
    }
    return lists;
  }

  /** Returns one conversation of the user in the form of `list`; undefined when the user does not have it. */
  async find(userId: string, conversationId: string): Promise<ListedConversation | undefined> {
    const [row] = await this.sql.rows<ListRow>(
      `SELECT ${LIST_COLUMNS} FROM conversation_members m ${LIST_JOINS} WHERE m.user_id = ? AND m.conversation = ?`,
      [userId, conversationId],
    );
    return row === undefined ? undefined : toListed(userId, row);
  }

  /**
   * Counts messages of other users, without recalled ones, in ranges of numbers; in the order of the questions, at most 10,000
   * each.
   */
  async unread(questions: UnreadQuestion[]): Promise<number[]> {
    if (questions.length === 0) return [];
    const one = `(SELECT ? AS place, COUNT(*) AS unread FROM (SELECT 1 FROM messages
      WHERE conversation = ? AND seq > ? AND seq <= ? AND sender <> ? AND kind = 'message' AND recalled = 0
      LIMIT ${MOST_UNREAD}) AS counted)`;
    const rows = await this.sql.rows<{ place: number; unread: number }>(
      questions.map(() => one).join(" UNION ALL "),
      questions.flatMap(({ conversationId, userId, above, upTo }, place) => [
        place,
        conversationId,
        above,
        upTo,
        userId,
      ]),
    );
    const counts = new Array<number>(questions.length).fill(0);
    for (const { place, unread } of rows) counts[place] = unread;
    return counts;
  }

  /**
   * Moves marks forward, never back; read implies delivered. It skips marks of users who do not belong to the conversation,
   * because a row here puts the conversation into a user's list.
   */
  async moveMarks(marks: StoredMark[]): Promise<void> {
    // In the order of keys, so that two batches do not lock rows crosswise.
    const sorted = marks.filter(isOwnMark).sort(compareKeys);
    if (sorted.length === 0) return;
    await this.sql.transaction(async (statements) => {
      const members = await lockMembers(statements, sorted);
      const own = sorted.filter((mark) => groupIdOf(mark.conversationId) === undefined || members.has(keyOf(mark)));
      if (own.length === 0) return;
      await statements.run(
        `INSERT INTO conversation_members (user_id, conversation, read_seq, delivered_seq, changed_at)
         VALUES ${own.map(() => `(?, ?, ?, ?, ${DATABASE_NOW})`).join(", ")}
         ON DUPLICATE KEY UPDATE
           changed_at = IF(VALUES(read_seq) > read_seq OR VALUES(delivered_seq) > delivered_seq,
             VALUES(changed_at), changed_at),
           read_seq = GREATEST(read_seq, VALUES(read_seq)),
           delivered_seq = GREATEST(delivered_seq, VALUES(delivered_seq))`,
        own.flatMap(({ userId, conversationId, read, delivered }) => [
          userId,
          conversationId,
          read,
          Math.max(read, delivered),
        ]),
      );
    });
  }

  /** Reads the database's clock, ms since 1970. */
  async databaseTime(): Promise<number> {
    return databaseTime(this.sql);
  }
}

const LIST_COLUMNS = `c.id, c.kind, c.last_seq, c.last_at, c.preview_seq, c.preview_sender, c.preview_content_type,
  c.preview_text, m.read_seq, m.cleared_seq, m.unlisted_seq, m.pinned, m.muted, COALESCE(p.told_read_seq, p.read_seq) AS peer_read,
  COALESCE(p.told_delivered_seq, p.delivered_seq) AS peer_delivered, p.told_read_seq IS NOT NULL AS held`;

/** Joins the conversation and, in a private one, the peer's row to the user's own row. */
const LIST_JOINS = `JOIN conversations c ON c.id = m.conversation
  LEFT JOIN conversation_members p ON c.kind = 'private' AND p.conversation = m.conversation AND p.user_id <> m.user_id`;

const sinceCondition = (since: number) =>
  since === 0 ? "" : "AND (c.changed_at >= ? OR m.changed_at >= ? OR p.changed_at >= ?)";
const sinceValues = (since: number) => (since === 0 ? [] : [since, since, since]);

function isOwnMark({ userId, conversationId }: StoredMark): boolean {
  const parts = parseConversationId(conversationId);
  return parts?.kind === "private" ? parts.userIds.includes(userId) : parts !== undefined;
}

/**
 * Returns the keys of marks that belong to present members of their groups, under locks that keep those members until the end of
 * the transaction.
 */
async function lockMembers(statements: Statements, marks: StoredMark[]): Promise<Set<string>> {
  const inGroups = marks.filter((mark) => groupIdOf(mark.conversationId) !== undefined);
  if (inGroups.length === 0) return new Set();
  const keys = inGroups.map((mark) => [groupIdOf(mark.conversationId)!, mark.userId]);
  const { table, values } = keyTable(["group_id", "user_id"], keys);
  const rows = await statements.rows<{ group_id: string; user_id: string }>(
    `SELECT m.group_id, m.user_id FROM ${table} AS wanted STRAIGHT_JOIN group_members m
       ON m.group_id = ${asId("wanted.group_id")} AND m.user_id = ${asId("wanted.user_id")}
     WHERE m.present = 1 LOCK IN SHARE MODE`,
    values,
  );
  return new Set(
    rows.map(({ group_id, user_id }) => keyOf({ conversationId: groupConversationId(group_id), userId: user_id })),
  );
}

const keyOf = ({ userId, conversationId }: Pick<StoredMark, "userId" | "conversationId">) =>
  `${userId} ${conversationId}`;

function compareKeys(a: StoredMark, b: StoredMark): number {
  return keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0;
}

const newestFirst = (a: ListRow, b: ListRow) => b.last_at - a.last_at || (a.id < b.id ? -1 : 1);

interface HistoryRow {
  seq: number;
  message_id: number | string;
  kind: Event["kind"];
  sender: string;
  client_msg_id: string;
  content_type: Event["contentType"];
  content: string | null;
  target_seq: number | null;
  sent_at: number;
}

function toEvent(conversationId: string, row: HistoryRow): Event {
  return {
    conversationId,
    seq: row.seq,
    messageId: String(row.message_id),
    kind: row.kind,
    senderId: row.sender,
    clientMsgId: row.client_msg_id,
    contentType: row.content_type,
    sentAt: row.sent_at,
    ...(row.content === null ? {} : { content: row.content }),
    ...(row.target_seq === null ? {} : { targetSeq: row.target_seq }),
  };
}

interface ListRow {
  id: string;
  kind: ConversationRow["kind"];
  last_seq: number;
  last_at: number;
  preview_seq: number;
  preview_sender: string;
  preview_content_type: Event["contentType"];
  preview_text: string;
  read_seq: number;
  cleared_seq: number;
  unlisted_seq: number;
  pinned: number;
  muted: number;
  peer_read: number | null;
  peer_delivered: number | null;
  held: number;
}

function toListed(userId: string, row: ListRow): ListedConversation {
  const toOneself = row.id === `p:${userId}:${userId}`;
  const peer =
    row.kind === "private" && !toOneself
      ? {
          peerReadSeq: row.peer_read ?? 0,
          peerDeliveredSeq: row.peer_delivered ?? 0,
          ...(row.held === 1 ? { isHeld: true as const } : {}),
        }
      : {};
  const preview =
    row.preview_seq <= row.cleared_seq
      ? {}
      : {
          preview: { senderId: row.preview_sender, contentType: row.preview_content_type, text: row.preview_text },
        };
  return {
    conversationId: row.id,
    kind: row.kind,
    lastSeq: row.last_seq,
    lastAt: row.last_at,
    readSeq: row.read_seq,
    clearedSeq: row.cleared_seq,
    ...(row.unlisted_seq >= row.last_seq ? { hiddenSeq: row.unlisted_seq } : {}),
    pinned: row.pinned === 1,
    muted: row.muted === 1,
    ...peer,
    ...preview,
  };
}
