/**
 * Broadcasts: one message of a sender to many users, who are served in the order of their ids. The row names the last served
 * user. A process moves it only from the place that it has read, so that of two working processes only one moves it.
 */
import type { ContentType } from "@carillon/protocol";
import { isInserted } from "../errors";
import type { Sql } from "../sql";

export interface NewBroadcast {
  broadcastId: string;
  senderId: string;
  contentType: ContentType;
  content: string;
  /** Undefined: everybody. */
  userIds: string[] | undefined;
  createdAt: number;
}

export interface Broadcast extends NewBroadcast {
  /** The last user who was served; "": nobody yet. */
  after: string;
  /** Numbers of accepted messages, and of messages that were refused for good. */
  sent: number;
  refused: number;
  doneAt: number | undefined;
}

/** The progress since the row was read. */
export interface BroadcastStep {
  /** The last user that the row named. */
  from: string;
  to: string;
  sent: number;
  refused: number;
}

export class BroadcastQueries {
  constructor(private readonly sql: Sql) {}

  /** @returns false when the id is taken */
  async create(broadcast: NewBroadcast): Promise<boolean> {
    const { broadcastId, senderId, contentType, content, userIds, createdAt } = broadcast;
    const sorted = userIds === undefined ? null : [...new Set(userIds)].sort().join(" ");
    return isInserted(
      this.sql.run(
        "INSERT INTO broadcasts (id, sender_id, content_type, content, user_ids, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        [broadcastId, senderId, contentType, content, sorted, createdAt],
      ),
    );
  }

  async find(broadcastId: string): Promise<Broadcast | undefined> {
    const rows = await this.sql.rows<BroadcastRow>(`SELECT ${COLUMNS} FROM broadcasts WHERE id = ?`, [broadcastId]);
    return rows[0] && toBroadcast(rows[0]);
  }

  /** Returns unfinished broadcasts, the oldest first, after one of them. */
  async open(limit: number, after?: Pick<Broadcast, "broadcastId" | "createdAt">): Promise<Broadcast[]> {
    const { createdAt = -1, broadcastId = "" } = after ?? {};
    const rows = await this.sql.rows<BroadcastRow>(
      `SELECT ${COLUMNS} FROM broadcasts WHERE done_at IS NULL AND (created_at > ? OR (created_at = ? AND id > ?))
       ORDER BY created_at, id LIMIT ?`,
      [createdAt, createdAt, broadcastId, limit],
    );
    return rows.map(toBroadcast);
  }

  /** Returns the next users to serve, by id: of the list, or of all users. */
  async recipients({ userIds, senderId }: Broadcast, after: string, limit: number): Promise<string[]> {
    if (userIds !== undefined) return userIds.filter((userId) => userId > after).slice(0, limit);
    const rows = await this.sql.rows<{ id: string }>(
      "SELECT id FROM users WHERE id > ? AND id <> ? AND deleted_at IS NULL ORDER BY id LIMIT ?",
      [after, senderId, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** @returns false when another process has moved it */
  async advance(broadcastId: string, { from, to, sent, refused }: BroadcastStep): Promise<boolean> {
    const met = await this.sql.run(
      "UPDATE broadcasts SET after_id = ?, sent = sent + ?, refused = refused + ? WHERE id = ? AND after_id = ?",
      [to, sent, refused, broadcastId, from],
    );
    return met > 0;
  }

  async finish(broadcastId: string, now: number): Promise<void> {
    await this.sql.run("UPDATE broadcasts SET done_at = COALESCE(done_at, ?) WHERE id = ?", [now, broadcastId]);
  }
}

interface BroadcastRow {
  id: string;
  sender_id: string;
  content_type: ContentType;
  content: string;
  user_ids: string | null;
  created_at: number;
  after_id: string;
  sent: number;
  refused: number;
  done_at: number | null;
}

const COLUMNS = "id, sender_id, content_type, content, user_ids, created_at, after_id, sent, refused, done_at";

function toBroadcast(row: BroadcastRow): Broadcast {
  return {
    broadcastId: row.id,
    senderId: row.sender_id,
    contentType: row.content_type,
    content: row.content,
    userIds: row.user_ids?.split(" ").filter((userId) => userId !== ""),
    createdAt: row.created_at,
    after: row.after_id,
    sent: row.sent,
    refused: row.refused,
    doneAt: row.done_at ?? undefined,
  };
}
