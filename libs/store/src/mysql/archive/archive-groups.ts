/**
 * The archive's further work on the event of a group change: it stores the numbers from which and to which members belong,
 * adds the group to lists of conversations or removes it, and deletes the event from the outbox.
 */
import { type Event, groupIdOf, membershipOf, parseSystemContent } from "@carillon/protocol";
import { DATABASE_NOW, type Statements } from "../sql";

/** A system event about a change of its group. */
export interface ArchivedChange {
  event: Event;
  /** Version of the group after the change. */
  version: number;
}

/** @param changes in log order */
export async function applyGroupChanges(statements: Statements, changes: ArchivedChange[]): Promise<void> {
  for (const { event, version } of changes) {
    const { conversationId, seq, senderId, content } = event;
    const groupId = groupIdOf(conversationId)!;
    const { joined, left } = membershipOf(senderId, parseSystemContent(content));
    if (joined.length > 0) await join(statements, groupId, conversationId, { seq, version, joined });
    if (left.length > 0) await leave(statements, groupId, conversationId, { seq, version, left });
    await statements.run("DELETE FROM outbox WHERE conversation = ? AND version = ?", [conversationId, version]);
  }
}

interface Joining {
  seq: number;
  version: number;
  joined: string[];
}

/**
 * A joining member begins again, even after an earlier stay. Their row may exist already: from the last stay, which ended a
 * moment ago, or from a mark of the new stay.
 */
async function join(
  statements: Statements,
  groupId: string,
  conversationId: string,
  { seq, version, joined }: Joining,
): Promise<void> {
  await statements.run(
    "UPDATE group_stays SET joined_seq = ? WHERE group_id = ? AND user_id IN (?) AND joined_version = ?",
    [seq, groupId, joined, version],
  );
  await statements.run(
    `INSERT INTO conversation_members (user_id, conversation, cleared_seq, changed_at)
     SELECT user_id, ?, ?, ${DATABASE_NOW} FROM group_members
     WHERE group_id = ? AND user_id IN (?) AND present = 1
     ON DUPLICATE KEY UPDATE read_seq = IF(read_seq > VALUES(cleared_seq), read_seq, 0), hidden_seq = 0, pinned = 0,
       muted = 0, cleared_seq = VALUES(cleared_seq), changed_at = VALUES(changed_at)`,
    [conversationId, seq - 1, groupId, joined],
  );
}

async function leave(
  statements: Statements,
  groupId: string,
  conversationId: string,
  { seq, version, left }: { seq: number; version: number; left: string[] },
): Promise<void> {
  await statements.run(
    "UPDATE group_stays SET left_seq = ? WHERE group_id = ? AND user_id IN (?) AND left_version = ?",
    [seq, groupId, left, version],
  );
  // The ids stand in the statement twice: with the inner ids alone MySQL would read and lock the whole table.
  await statements.run(
    `DELETE FROM conversation_members WHERE conversation = ? AND user_id IN (?) AND user_id IN
       (SELECT user_id FROM group_members WHERE group_id = ? AND user_id IN (?) AND present = 0)`,
    [conversationId, left, groupId, left],
  );
}
