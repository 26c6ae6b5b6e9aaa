/**
 * Groups: reading them, and changing them. A change is one transaction under the lock of the group's row, which
 * raises the version and writes what the conversation owes to its history into the outbox. So changes have an order,
 * and a crash leaves either all of one or nothing; the owner of the conversation numbers the event afterwards.
 */
import { uuidv7 } from "@carillon/base";
import { isDuplicate } from "../errors";
import type { Sql, Statements } from "../sql";
import { fanOutAfter, type GroupEdit, splitEdit, usersOfEdit, writeEdit } from "./group-edits";
import {
  GROUP_COLUMNS,
  type Group,
  type GroupMember,
  type GroupRow,
  MEMBER_COLUMNS,
  type MemberRow,
  toGroup,
  toMember,
} from "./group-rows";

/** The group and those members of it that the change is about, as they are under the lock. */
export interface LockedGroup {
  group: Group;
  member(userId: string): GroupMember | undefined;
}

/** What became of a group. */
export interface ChangedGroup {
  version: number;
  /** ms by the database's clock; 0: nothing was to be changed. */
  changedAt: number;
  /** Those whose belonging, role or mute was changed: their devices are to be told. */
  about: string[];
}

export interface NewGroup {
  groupId: string;
  name: string;
  joinPolicy: Group["joinPolicy"];
  ownerId: string;
  memberIds: string[];
}

export class GroupQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * @param writeFanOut members up to which a group is small
   * @returns undefined when the id is taken
   */
  async create(
    group: NewGroup,
    clientMsgId: string,
    now: number,
    writeFanOut: number,
  ): Promise<ChangedGroup | undefined> {
    const { groupId, name, joinPolicy, ownerId, memberIds } = group;
    const joining = [
      { userId: ownerId, role: "owner" as const },
      ...memberIds.map((userId) => ({ userId, role: "member" as const })),
    ];
    try {
      return await this.sql.transaction(async (statements) => {
        await statements.run(
          "INSERT INTO user_groups (id, name, owner_id, join_policy, version, created_at) VALUES (?, ?, ?, ?, 0, ?)",
          [groupId, name, ownerId, joinPolicy, now],
        );
        const edit = { content: { type: "created", userIds: memberIds } as const, join: joining };
        const change = { groupId, actorId: ownerId, clientMsgId, now, writeFanOut };
        return writeParts(statements, { version: 0, memberCount: 0, fanOut: "write" }, change, edit);
      });
    } catch (error) {
      if (isDuplicate(error)) return undefined;
      throw error;
    }
  }

  /**
   * Changes a group under its lock.
   * @param involved members that `decide` asks for
   * @param decide what is to be done, by the state under the lock; throws to refuse, undefined to leave all as it is
   * @returns undefined for a group that does not exist
   */
  async change(
    groupId: string,
    change: { actorId: string; clientMsgId: string; involved: string[]; now: number; writeFanOut: number },
    decide: (locked: LockedGroup) => GroupEdit | undefined,
  ): Promise<ChangedGroup | undefined> {
    const { actorId, clientMsgId, involved, now, writeFanOut } = change;
    return this.sql.transaction(async (statements) => {
      const [row] = await statements.rows<GroupRow>(
        `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id = ? FOR UPDATE`,
        [groupId],
      );
      if (row === undefined) return undefined;
      const group = toGroup(row);
      const known = await membersOf(statements, groupId, [...new Set([actorId, ...involved])]);
      const edit = decide({ group, member: (userId) => known.get(userId) });
      if (edit === undefined) return { version: group.version, changedAt: 0, about: [] };
      return writeParts(statements, group, { groupId, actorId, clientMsgId, now, writeFanOut }, edit);
    });
  }

  async find(groupId: string): Promise<Group | undefined> {
    const rows = await this.sql.rows<GroupRow>(`SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id = ?`, [groupId]);
    return rows[0] && toGroup(rows[0]);
  }

  async member(groupId: string, userId: string): Promise<GroupMember | undefined> {
    return (await membersOf(this.sql, groupId, [userId])).get(userId);
  }

  /** When somebody left a group, or was removed, ms by the database's clock; undefined for one who is in it. */
  async leftAt(groupId: string, userId: string): Promise<number | undefined> {
    const [row] = await this.sql.rows<{ at: number }>(
      "SELECT changed_at AS at FROM group_members WHERE group_id = ? AND user_id = ? AND present = 0",
      [groupId, userId],
    );
    return row?.at;
  }

  /** Present members by id, behind `after`. */
  async members(groupId: string, limit: number, after = ""): Promise<GroupMember[]> {
    const rows = await this.sql.rows<MemberRow>(
      `SELECT ${MEMBER_COLUMNS} FROM group_members
       WHERE group_id = ? AND user_id > ? AND present = 1 ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
    return rows.map(toMember);
  }

  /** Groups that the user belongs to, by id, behind `after`. */
  async groupsOf(userId: string, limit: number, after = ""): Promise<Group[]> {
    const rows = await this.sql.rows<GroupRow>(
      `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id IN (
         SELECT group_id FROM group_members WHERE user_id = ? AND present = 1 AND group_id > ?
       ) AND dissolved_at IS NULL ORDER BY id LIMIT ?`,
      [userId, after, limit],
    );
    return rows.map(toGroup);
  }

  /** Who would own the group if its owner left: an admin rather than a member; undefined: nobody else is there. */
  async successor(groupId: string, ownerId: string): Promise<string | undefined> {
    const [row] = await this.sql.rows<{ user_id: string }>(
      `SELECT user_id FROM group_members WHERE group_id = ? AND user_id <> ? AND present = 1
       ORDER BY role = 'admin' DESC, user_id LIMIT 1`,
      [groupId, ownerId],
    );
    return row?.user_id;
  }

  /** Users whose account is deleted, and who may still belong to groups; by id, behind `after`. */
  async departures(limit: number, after = ""): Promise<string[]> {
    const sql = "SELECT user_id FROM departures WHERE user_id > ? ORDER BY user_id LIMIT ?";
    const rows = await this.sql.rows<{ user_id: string }>(sql, [after, limit]);
    return rows.map(({ user_id }) => user_id);
  }

  /** This user belongs to no group any more. */
  async departed(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM departures WHERE user_id = ?", [userId]);
  }

  /** Remembers that somebody asks to be let in. */
  async ask(groupId: string, userId: string, now: number): Promise<void> {
    await this.sql.run(
      "INSERT INTO group_requests (group_id, user_id, asked_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE group_id = group_id",
      [groupId, userId, now],
    );
  }

  async forgetRequest(groupId: string, userId: string): Promise<void> {
    await this.sql.run("DELETE FROM group_requests WHERE group_id = ? AND user_id = ?", [groupId, userId]);
  }

  async hasAsked(groupId: string, userId: string): Promise<boolean> {
    const sql = "SELECT user_id FROM group_requests WHERE group_id = ? AND user_id = ?";
    return (await this.sql.rows(sql, [groupId, userId])).length > 0;
  }

  /** Who asks to be let in, by id, behind `after`. */
  async requests(groupId: string, limit: number, after = ""): Promise<{ userId: string; askedAt: number }[]> {
    const rows = await this.sql.rows<{ user_id: string; asked_at: number }>(
      "SELECT user_id, asked_at FROM group_requests WHERE group_id = ? AND user_id > ? ORDER BY user_id LIMIT ?",
      [groupId, after, limit],
    );
    return rows.map(({ user_id, asked_at }) => ({ userId: user_id, askedAt: asked_at }));
  }

  /**
   * Conversations that are owed an event since before `olderThan` (ms): whoever committed it may have died. By id, behind
   * `after`.
   */
  async owed(olderThan: number, limit: number, after = ""): Promise<string[]> {
    const rows = await this.sql.rows<{ conversation: string }>(
      `SELECT DISTINCT conversation FROM outbox WHERE conversation > ? AND created_at < ?
       ORDER BY conversation LIMIT ?`,
      [after, olderThan, limit],
    );
    return rows.map(({ conversation }) => conversation);
  }
}

/** Writes an edit under the lock of the group's row, each part with a version and an event of its own. */
async function writeParts(
  statements: Statements,
  before: Pick<Group, "version" | "memberCount" | "fanOut">,
  change: { groupId: string; actorId: string; clientMsgId: string; now: number; writeFanOut: number },
  edit: GroupEdit,
): Promise<ChangedGroup> {
  const { clientMsgId, now, writeFanOut } = change;
  let { version, memberCount, fanOut } = before;
  let changedAt = 0;
  for (const [index, part] of splitEdit(edit).entries()) {
    memberCount += (part.join ?? []).length - (part.leave ?? []).length;
    const after = fanOutAfter(fanOut, memberCount, part, writeFanOut);
    fanOut = after.startsWith("read") ? "read" : "write";
    const id = index === 0 ? clientMsgId : uuidv7(now);
    changedAt = await writeEdit(statements, {
      ...change,
      clientMsgId: id,
      version: ++version,
      edit: part,
      fanOut: after,
    });
  }
  return { version, changedAt, about: usersOfEdit(edit) };
}

async function membersOf(
  statements: Statements,
  groupId: string,
  userIds: string[],
): Promise<Map<string, GroupMember>> {
  const rows = await statements.rows<MemberRow>(
    `SELECT ${MEMBER_COLUMNS} FROM group_members WHERE group_id = ? AND user_id IN (?)`,
    [groupId, userIds],
  );
  return new Map(rows.map((row) => [row.user_id, toMember(row)]));
}
