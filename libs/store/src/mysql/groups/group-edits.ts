/** Writes a change of a group: the group, its members with their stays, and the events that its conversation is owed. */
import {
  encodeSystemContent,
  type GroupRole,
  groupConversationId,
  type SystemContent,
  splitSystemContent,
} from "@carillon/protocol";
import { databaseTime, type Statements } from "../sql";
import type { GroupFanOut, OwedBody } from "./group-facts";
import type { Group } from "./group-rows";

/** The content of a change, decided under the lock. */
export interface GroupEdit {
  /** The event about the change. */
  content: SystemContent;
  set?: Partial<Pick<Group, "name" | "notice" | "joinPolicy" | "muted" | "ownerId">> & { dissolvedAt?: number };
  join?: { userId: string; role: GroupRole }[];
  leave?: string[];
  members?: { userId: string; role?: GroupRole; mutedUntil?: number }[];
}

const SETTABLE = {
  name: "name",
  notice: "notice",
  joinPolicy: "join_policy",
  muted: "muted",
  ownerId: "owner_id",
  dissolvedAt: "dissolved_at",
} as const;

/**
 * Splits an edit whose event would be too large into several consecutive edits, each with the users whom its own event names.
 * All other parts of the edit belong to the first.
 */
export function splitEdit(edit: GroupEdit): GroupEdit[] {
  const contents = splitSystemContent(edit.content);
  if (contents.length === 1) return [edit];
  const { join = [], leave = [], ...first } = edit;
  const named = contents.map((content) => new Set("userIds" in content ? content.userIds : []));
  // A user whom no event names, such as the owner of a new group, belongs to the first.
  const partOf = (userId: string) =>
    Math.max(
      0,
      named.findIndex((users) => users.has(userId)),
    );
  return contents.map((content, part) => ({
    ...(part === 0 ? first : {}),
    content,
    join: join.filter(({ userId }) => partOf(userId) === part),
    leave: leave.filter((userId) => partOf(userId) === part),
  }));
}

/**
 * How the event of a change reaches the members. The end of a group must reach all of them, including members who are away: when
 * they connect later, they belong to no group any more and would not be told.
 */
export function fanOutAfter(
  before: Group["fanOut"],
  members: number,
  edit: GroupEdit,
  writeFanOut: number,
): GroupFanOut {
  const after = members > writeFanOut && edit.set?.dissolvedAt === undefined ? "read" : "write";
  return after === before ? after : `${after}-from-here`;
}

/** A change of a group in the form in which its transaction writes it. */
export interface WrittenEdit {
  groupId: string;
  /** Version of the group after the change. */
  version: number;
  actorId: string;
  clientMsgId: string;
  edit: GroupEdit;
  fanOut: GroupFanOut;
  now: number;
}

/** Writes a change under the lock of the group's row. @returns time of the change, ms by the database's clock */
export async function writeEdit(statements: Statements, written: WrittenEdit): Promise<number> {
  const { groupId, version, actorId, clientMsgId, edit, now, fanOut } = written;
  const { content, join = [], leave = [], members = [] } = edit;
  const changedAt = await databaseTime(statements);
  await writeGroup(statements, written, changedAt);
  if (join.length > 0) await writeJoins(statements, groupId, { version, changedAt }, join);
  if (leave.length > 0) {
    const bannedBy = content.type === "left" ? undefined : actorId;
    await writeLeaves(statements, groupId, { version, changedAt }, leave, bannedBy);
  }
  for (const { userId, role, mutedUntil } of members) {
    await statements.run(
      `UPDATE group_members SET role = COALESCE(?, role), muted_until = COALESCE(?, muted_until), version = ?,
         changed_at = ? WHERE group_id = ? AND user_id = ?`,
      [role ?? null, mutedUntil ?? null, version, changedAt, groupId, userId],
    );
  }
  const body: OwedBody = { actorId, clientMsgId, content: encodeSystemContent(content), fanOut };
  await statements.run(
    "INSERT INTO outbox (conversation, version, change_kind, body, created_at) VALUES (?, ?, ?, ?, ?)",
    [groupConversationId(groupId), version, content.type, JSON.stringify(body), now],
  );
  return changedAt;
}

/** The users whose membership, role or mute a change concerns. */
export function usersOfEdit({ join = [], leave = [], members = [] }: GroupEdit): string[] {
  return [...[...join, ...members].map(({ userId }) => userId), ...leave];
}

async function writeGroup(
  statements: Statements,
  { groupId, version, edit, fanOut }: WrittenEdit,
  changedAt: number,
): Promise<void> {
  const { set = {}, join = [], leave = [] } = edit;
  const columns = Object.entries(set).map(([key, value]) => [SETTABLE[key as keyof typeof SETTABLE], value] as const);
  await statements.run(
    `UPDATE user_groups SET version = ?, member_count = member_count + ?, fan_out = ?, changed_at = ?
       ${columns.map(([name]) => `, ${name} = ?`).join("")} WHERE id = ?`,
    [
      version,
      join.length - leave.length,
      fanOut.startsWith("read") ? "read" : "write",
      changedAt,
      ...columns.map(([, value]) => value),
      groupId,
    ],
  );
}

/** The version of the group after a change, and the time of the change. */
interface Mark {
  version: number;
  changedAt: number;
}

async function writeJoins(
  statements: Statements,
  groupId: string,
  { version, changedAt }: Mark,
  join: NonNullable<GroupEdit["join"]>,
): Promise<void> {
  await statements.run(
    `INSERT INTO group_members (group_id, user_id, role, version, changed_at)
     VALUES ${join.map(() => "(?, ?, ?, ?, ?)").join(", ")}
     ON DUPLICATE KEY UPDATE role = VALUES(role), muted_until = 0, present = 1, banned_by = NULL,
       version = VALUES(version), changed_at = VALUES(changed_at)`,
    join.flatMap(({ userId, role }) => [groupId, userId, role, version, changedAt]),
  );
  await statements.run(
    `INSERT INTO group_stays (group_id, user_id, joined_version) VALUES ${join.map(() => "(?, ?, ?)").join(", ")}`,
    join.flatMap(({ userId }) => [groupId, userId, version]),
  );
  const userIds = join.map(({ userId }) => userId);
  for (const table of ["group_requests", "group_invitations"]) {
    await statements.run(`DELETE FROM ${table} WHERE group_id = ? AND user_id IN (?)`, [groupId, userIds]);
  }
}

/** @param bannedBy the user who removes them; undefined: they leave by themselves */
async function writeLeaves(
  statements: Statements,
  groupId: string,
  { version, changedAt }: Mark,
  leave: string[],
  bannedBy: string | undefined,
): Promise<void> {
  await statements.run(
    `UPDATE group_members SET present = 0, version = ?, role = 'member', changed_at = ?, left_alone = ?, banned_by = ?
     WHERE group_id = ? AND user_id IN (?)`,
    [version, changedAt, bannedBy === undefined, bannedBy ?? null, groupId, leave],
  );
  await statements.run(
    "UPDATE group_stays SET left_version = ? WHERE group_id = ? AND user_id IN (?) AND left_version IS NULL",
    [version, groupId, leave],
  );
}
