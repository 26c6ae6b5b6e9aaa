/**
 * The only writer of a partition's archive. Messages and the position commit together, so a crash at any moment leaves either
 * both or neither: no message is written twice, and none is left out.
 *
 * The fence is the position itself. An archiver that claims a partition raises the number of the claim. A batch begins with an
 * UPDATE that matches a row only if claim and position are still those that the writer knows. A former writer, however long it
 * was paused, matches no row and learns that it is fenced. The INSERT is a plain one: a duplicate key would mean that a number
 * was used twice, and must be noticed, not ignored.
 *
 * After a lost connection nobody knows whether the last commit happened: read the position again before you continue.
 */
import { type Event, parseConversationId } from "@carillon/protocol";
import { isRefusedValue } from "../errors";
import type { ArchiveProgress } from "../fact-queries";
import { DATABASE_NOW, type Sql, type Statements } from "../sql";
import { type ArchivedChange, applyGroupChanges } from "./archive-groups";

const MOST_ROWS = 1_000;
/**
 * Maximum of content in one statement, in UTF-16 units: with escapes and three bytes a character it stays below 4 MiB of text.
 */
const MOST_CONTENT = 1_000_000;
const PREVIEW_CHARACTERS = 100;

export interface ArchiveBatch {
  partition: number;
  /** The writer's claim (`ArchiveWriter.claim`). */
  claim: number;
  /** Present position of the archive. */
  from: number;
  /** Position of the archive after the batch. */
  to: number;
  /** The events between both positions, in log order. */
  events: Event[];
  /** The events about a change of their group; default: none. */
  changes?: ArchivedChange[];
  /** Events whose content MySQL refuses; the content is a dead letter, and clients see the event as recalled. */
  withheld?: Event[];
}

/** Another archiver has claimed the partition, or the position is another than expected. */
export class ArchiveFenced extends Error {
  constructor(partition: number) {
    super(`the archive of partition ${partition} is written by another archiver, or from another position`);
    this.name = "ArchiveFenced";
  }
}

export class ArchiveWriter {
  constructor(private readonly sql: Sql) {}

  /**
   * Claims a partition: from now on all former writers are fenced. Returns the claim and the position from which to
   * continue.
   */
  async claim(partition: number): Promise<ArchiveProgress> {
    return this.sql.transaction(async (statements) => {
      await statements.run(
        `INSERT INTO archive_positions (partition_number, epoch, position) VALUES (?, 1, -1)
         ON DUPLICATE KEY UPDATE epoch = epoch + 1`,
        [partition],
      );
      return (await readProgress(statements, partition))!;
    });
  }

  /** Returns the position of a partition; undefined: no archiver ever claimed it. */
  async progress(partition: number): Promise<ArchiveProgress | undefined> {
    return readProgress(this.sql, partition);
  }

  /**
   * Writes a batch and moves the position.
   * @throws ArchiveFenced; an error of MySQL, after which the batch may or may not be written
   */
  async write(batch: ArchiveBatch): Promise<void> {
    const { partition, claim, from, to, events, changes = [], withheld = [] } = batch;
    await this.sql.transaction(async (statements) => {
      const moved = await statements.run(
        "UPDATE archive_positions SET position = ? WHERE partition_number = ? AND position = ? AND epoch = ?",
        [to, partition, from, claim],
      );
      if (moved !== 1) throw new ArchiveFenced(partition);
      for (const part of cut(events)) await insertMessages(statements, part);
      await upsertConversations(statements, events);
      await insertMembers(statements, events);
      await applyRecalls(statements, events);
      for (const { conversationId, seq } of withheld) await takeBack(statements, conversationId, seq);
      await applyGroupChanges(statements, changes);
    });
  }

  /** Whether MySQL refuses the values of these events; writes nothing. */
  async refuses(events: Event[]): Promise<boolean> {
    const done = new Error("the transaction only tests the values");
    try {
      await this.sql.transaction(async (statements) => {
        for (const part of cut(events)) await insertMessages(statements, part);
        throw done;
      });
    } catch (error) {
      if (isRefusedValue(error)) return true;
      if (error !== done) throw error;
    }
    return false;
  }

  /** Restores the content of an event that was written without it. @returns false when the event is not in the archive */
  async restoreContent({ conversationId, seq, content }: Event): Promise<boolean> {
    const sql = "UPDATE messages SET recalled = 0, content = ? WHERE conversation = ? AND seq = ?";
    return (await this.sql.run(sql, [content ?? null, conversationId, seq])) === 1;
  }
}

async function readProgress(statements: Statements, partition: number): Promise<ArchiveProgress | undefined> {
  const sql = "SELECT epoch AS claim, position FROM archive_positions WHERE partition_number = ?";
  return (await statements.rows<ArchiveProgress>(sql, [partition]))[0];
}

function* cut(events: Event[]): Generator<Event[]> {
  let part: Event[] = [];
  let content = 0;
  for (const event of events) {
    const length = event.content?.length ?? 0;
    if (part.length === MOST_ROWS || (content + length > MOST_CONTENT && part.length > 0)) {
      yield part;
      part = [];
      content = 0;
    }
    part.push(event);
    content += length;
  }
  if (part.length > 0) yield part;
}

async function insertMessages(statements: Statements, events: Event[]): Promise<void> {
  const rows = events.map((event) => [
    event.conversationId,
    event.seq,
    event.messageId,
    event.kind,
    event.senderId,
    event.clientMsgId,
    event.contentType,
    event.content ?? null,
    event.targetSeq ?? null,
    event.sentAt,
  ]);
  await statements.run(
    `INSERT INTO messages (conversation, seq, message_id, kind, sender, client_msg_id, content_type, content,
       target_seq, sent_at) VALUES ?`,
    [rows],
  );
}

/** The newest event and the newest message of a conversation in the batch. */
interface Newest {
  event: Event;
  message: Event | undefined;
}

async function upsertConversations(statements: Statements, events: Event[]): Promise<void> {
  const newest = new Map<string, Newest>();
  for (const event of events) {
    const message = event.kind === "message" ? event : newest.get(event.conversationId)?.message;
    newest.set(event.conversationId, { event, message });
  }
  // In the order of keys, because two archivers that write many rows must not lock them crosswise.
  const rows = [...newest.keys()].sort().map((id) => conversationValues(id, newest.get(id)!));
  for (let at = 0; at < rows.length; at += MOST_ROWS) {
    const part = rows.slice(at, at + MOST_ROWS);
    const places = part.map(() => `(?, ?, ?, ?, ?, ?, ?, ?, ${DATABASE_NOW})`).join(", ");
    await statements.run(
      `INSERT INTO conversations (id, kind, last_seq, last_at, preview_seq, preview_sender, preview_content_type,
         preview_text, changed_at) VALUES ${places}
       ON DUPLICATE KEY UPDATE
         last_seq = VALUES(last_seq), last_at = VALUES(last_at), changed_at = VALUES(changed_at),
         preview_sender = IF(VALUES(preview_seq) > 0, VALUES(preview_sender), preview_sender),
         preview_content_type = IF(VALUES(preview_seq) > 0, VALUES(preview_content_type), preview_content_type),
         preview_text = IF(VALUES(preview_seq) > 0, VALUES(preview_text), preview_text),
         preview_seq = IF(VALUES(preview_seq) > 0, VALUES(preview_seq), preview_seq)`,
      part.flat(),
    );
  }
}

function conversationValues(id: string, { event, message }: Newest): unknown[] {
  const kind = id.startsWith("g:") ? "group" : "private";
  const preview =
    message === undefined
      ? [0, null, null, null]
      : [message.seq, message.senderId, message.contentType, previewText(message)];
  return [id, kind, event.seq, event.sentAt, ...preview];
}

/** The beginning of a text, in whole characters; empty for other types, whose content only their app understands. */
function previewText({ contentType, content }: Event): string {
  if (contentType !== "text" || content === undefined) return "";
  return Array.from(content.slice(0, 2 * PREVIEW_CHARACTERS))
    .slice(0, PREVIEW_CHARACTERS)
    .join("");
}

/** Both users of a private conversation get it in their lists with its first event: numbers begin with 1. */
async function insertMembers(statements: Statements, events: Event[]): Promise<void> {
  const rows: [userId: string, conversationId: string][] = [];
  for (const { conversationId, seq } of events) {
    const parts = seq === 1 ? parseConversationId(conversationId) : undefined;
    if (parts?.kind !== "private") continue;
    for (const userId of new Set(parts.userIds)) rows.push([userId, conversationId]);
  }
  rows.sort(([userA, idA], [userB, idB]) => compare(userA, userB) || compare(idA, idB));
  for (let at = 0; at < rows.length; at += MOST_ROWS) {
    const part = rows.slice(at, at + MOST_ROWS);
    // A row may exist already: marks take another way and can be faster.
    await statements.run(
      `INSERT INTO conversation_members (user_id, conversation, changed_at)
       VALUES ${part.map(() => `(?, ?, ${DATABASE_NOW})`).join(", ")}
       ON DUPLICATE KEY UPDATE changed_at = VALUES(changed_at)`,
      part.flat(),
    );
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

async function applyRecalls(statements: Statements, events: Event[]): Promise<void> {
  for (const { kind, conversationId, targetSeq } of events) {
    if (kind === "recall" && targetSeq !== undefined) await takeBack(statements, conversationId, targetSeq);
  }
}

async function takeBack(statements: Statements, conversationId: string, seq: number): Promise<void> {
  const place = [conversationId, seq];
  await statements.run("UPDATE messages SET recalled = 1, content = NULL WHERE conversation = ? AND seq = ?", place);
  await statements.run("UPDATE conversations SET preview_text = '' WHERE id = ? AND preview_seq = ?", place);
}
