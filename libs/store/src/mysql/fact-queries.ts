/**
 * Reads the facts for decisions about messages that the log does not have any more: from the primary, one statement of each
 * kind for a whole batch.
 */
import { asId, keyTable, type Sql, timeOf } from "./sql";

export interface UserFacts {
  status: "normal" | "disabled" | "deleted";
  /** ms since 1970; 0: not muted. */
  mutedUntil: number;
  /** Whether the user accepts messages of friends only. */
  friendsOnly?: true;
}

/** An earlier message, found by the id that its client gave it. */
export interface FoundMessage {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
  kind: "message" | "recall" | "system";
  contentType: string;
  /** Empty for a recall, and for a recalled message. */
  content: string;
  recalled: boolean;
  seq: number;
  messageId: string;
  targetSeq: number | undefined;
  sentAt: number;
}

/** The facts that decide whether a message may be recalled. */
export interface RecallTarget {
  senderId: string;
  kind: FoundMessage["kind"];
  sentAt: number;
  recalled: boolean;
}

export interface ArchiveProgress {
  /** The number of the last claim, which is the column `epoch`; a writer with a lower number is fenced. */
  claim: number;
  /** Log position up to which everything is archived; -1: nothing yet. */
  position: number;
}

export class FactQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns users; a user who does not exist is missing in the result. */
  async users(userIds: string[]): Promise<Map<string, UserFacts>> {
    if (userIds.length === 0) return new Map();
    const rows = await this.sql.rows<UserStateRow>(
      "SELECT id, status, muted_until, deleted_at, who_may_write FROM users WHERE id IN (?)",
      [userIds],
    );
    return new Map(
      rows.map((row) => {
        const friendsOnly = row.who_may_write === "friends" ? ({ friendsOnly: true } as const) : {};
        return [row.id, { status: statusOf(row), mutedUntil: timeOf(row.muted_until), ...friendsOnly }];
      }),
    );
  }

  /** Key: `${owner} ${peer}`. A pair without a row is missing; states before friendship are `none`. */
  async relations(
    pairs: (readonly [owner: string, peer: string])[],
  ): Promise<Map<string, "none" | "friend" | "blocked">> {
    if (pairs.length === 0) return new Map();
    const { table, values } = keyTable(["owner", "peer"], pairs);
    const rows = await this.sql.rows<{ owner_id: string; peer_id: string; state: string }>(
      `SELECT r.owner_id, r.peer_id, r.state FROM ${table} AS wanted STRAIGHT_JOIN relations r
         ON r.owner_id = ${asId("wanted.owner")} AND r.peer_id = ${asId("wanted.peer")}`,
      values,
    );
    return new Map(
      rows.map(({ owner_id, peer_id, state }) => [
        `${owner_id} ${peer_id}`,
        state === "friend" || state === "blocked" ? state : "none",
      ]),
    );
  }

  /** Returns the highest archived number of each conversation; 0 for a conversation without messages. */
  async lastSeqs(conversationIds: string[]): Promise<Map<string, number>> {
    const result = new Map(conversationIds.map((id) => [id, 0]));
    if (conversationIds.length === 0) return result;
    const rows = await this.sql.rows<{ conversation: string; last: number }>(
      "SELECT conversation, MAX(seq) AS last FROM messages WHERE conversation IN (?) GROUP BY conversation",
      [conversationIds],
    );
    for (const { conversation, last } of rows) result.set(conversation, last);
    return result;
  }

  /** Returns the archived messages with these ids; other messages are missing. */
  async messagesById(
    ids: { senderId: string; conversationId: string; clientMsgId: string }[],
  ): Promise<FoundMessage[]> {
    if (ids.length === 0) return [];
    const keys = ids.map(({ conversationId, clientMsgId, senderId }) => [conversationId, clientMsgId, senderId]);
    const { table, values } = keyTable(["conversation", "id", "sender"], keys);
    const rows = await this.sql.rows<FoundRow>(
      `SELECT m.conversation, m.sender, m.client_msg_id, m.kind, m.content_type, m.content, m.recalled, m.seq, m.message_id,
         m.target_seq, m.sent_at FROM ${table} AS wanted STRAIGHT_JOIN messages m
         ON m.conversation = ${asId("wanted.conversation")} AND m.client_msg_id = ${asId("wanted.id")}
           AND m.sender = ${asId("wanted.sender")}`,
      values,
    );
    return rows.map((row) => ({
      senderId: row.sender,
      conversationId: row.conversation,
      clientMsgId: row.client_msg_id,
      kind: row.kind,
      contentType: row.content_type,
      content: row.content ?? "",
      recalled: row.recalled === 1,
      seq: row.seq,
      messageId: String(row.message_id),
      targetSeq: row.target_seq ?? undefined,
      sentAt: row.sent_at,
    }));
  }

  /** Returns the time, ms since 1970, before which retention may have deleted messages; 0: it never deleted any. */
  async retentionCut(): Promise<number> {
    const [row] = await this.sql.rows<{ sent_before: number }>("SELECT sent_before FROM retention_cut WHERE id = 1");
    return row?.sent_before ?? 0;
  }

  /** Key: `${conversationId}#${seq}`; null: deleted by retention; messages that are not archived are missing. */
  async recallTargets(places: { conversationId: string; seq: number }[]): Promise<Map<string, RecallTarget | null>> {
    if (places.length === 0) return new Map();
    const keys = places.map(({ conversationId, seq }) => [conversationId, seq]);
    const { table, values } = keyTable(["conversation", "seq"], keys);
    const rows = await this.sql.rows<RecallTargetRow>(
      `SELECT m.conversation, m.seq, m.sender, m.kind, m.sent_at, m.recalled
       FROM ${table} AS wanted STRAIGHT_JOIN messages m
         ON m.conversation = ${asId("wanted.conversation")} AND m.seq = wanted.seq`,
      values,
    );
    const found = new Map<string, RecallTarget | null>(
      rows.map(({ conversation, seq, sender, kind, sent_at, recalled }) => [
        `${conversation}#${seq}`,
        { senderId: sender, kind, sentAt: sent_at, recalled: recalled === 1 },
      ]),
    );
    const missing = places.filter(({ conversationId, seq }) => !found.has(`${conversationId}#${seq}`));
    if (missing.length === 0) return found;
    const purged = await this.sql.rows<{ id: string; purged_seq: number }>(
      "SELECT id, purged_seq FROM conversations WHERE id IN (?)",
      [missing.map(({ conversationId }) => conversationId)],
    );
    for (const { conversationId, seq } of missing) {
      if (purged.some(({ id, purged_seq }) => id === conversationId && seq <= purged_seq)) {
        found.set(`${conversationId}#${seq}`, null);
      }
    }
    return found;
  }

  /** Returns the archive position of each partition; a partition that no archiver has claimed yet is missing. */
  async archivePositions(): Promise<Map<number, ArchiveProgress>> {
    const rows = await this.sql.rows<{ partition_number: number } & ArchiveProgress>(
      "SELECT partition_number, epoch AS claim, position FROM archive_positions",
    );
    return new Map(rows.map(({ partition_number, claim, position }) => [partition_number, { claim, position }]));
  }

  /** Whether the user belongs to any conversation. */
  async hasConversation(userId: string, deadline?: number): Promise<boolean> {
    const sql = "SELECT 1 FROM conversation_members WHERE user_id = ? LIMIT 1";
    const rows = await this.sql.rows(sql, [userId], deadline);
    return rows.length > 0;
  }
}

interface UserStateRow {
  id: string;
  status: "normal" | "disabled";
  muted_until: number | string;
  deleted_at: number | null;
  who_may_write: string | null;
}

interface RecallTargetRow {
  conversation: string;
  seq: number;
  sender: string;
  kind: FoundMessage["kind"];
  sent_at: number;
  recalled: number;
}

interface FoundRow {
  conversation: string;
  sender: string;
  client_msg_id: string;
  kind: FoundMessage["kind"];
  content_type: string;
  content: string | null;
  recalled: number;
  seq: number;
  message_id: number | string;
  target_seq: number | null;
  sent_at: number;
}

function statusOf({ status, deleted_at }: Pick<UserStateRow, "status" | "deleted_at">): UserFacts["status"] {
  return deleted_at === null ? status : "deleted";
}
