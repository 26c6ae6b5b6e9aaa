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
  /** Of the request: the same one again is recognised by it. */
  digest: string;
  /** The operators made it. */
  by?: "operator";
}

/** Somebody whom an admin has removed. */
export interface Ban {
  userId: string;
  bannedBy: string;
  /** ms by the database's clock. */
  bannedAt: number;
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
    const { groupId, name, joinPolicy, ownerId, memberIds, digest, by } = group;
    const joining = [
      { userId: ownerId, role: "owner" as const },
      ...memberIds.map((userId) => ({ userId, role: "member" as const })),
    ];
    try {
      return await this.sql.transaction(async (statements) => {
        await statements.run(
          `INSERT INTO user_groups (id, name, owner_id, join_policy, version, created_at, request_digest)
           VALUES (?, ?, ?, ?, 0, ?, ?)`,
          [groupId, name, ownerId, joinPolicy, now, digest],
        );
        const content = { type: "created" as const, userIds: memberIds, ...(by === undefined ? {} : { by }) };
        const edit = { content, join: joining };
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
   * @param change.actorId who does it; undefined: the owner
   * @param change.involved members that `decide` asks for, besides the owner and the one who acts
   * @param decide what is to be done, by the state under the lock; throws to refuse, undefined to leave all as it is
   * @returns undefined for a group that does not exist
   */
  async change(
    groupId: string,
    change: { actorId: string | undefined; clientMsgId: string; involved: string[]; now: number; writeFanOut: number },
    decide: (locked: LockedGroup) => GroupEdit | undefined,
  ): Promise<ChangedGroup | undefined> {
    const { clientMsgId, involved, now, writeFanOut } = change;
    return this.sql.transaction(async (statements) => {
      const [row] = await statements.rows<GroupRow>(
        `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id = ? FOR UPDATE`,
        [groupId],
      );
      if (row === undefined) return undefined;
      const group = toGroup(row);
      const actorId = change.actorId ?? group.ownerId;
      const known = await membersOf(statements, groupId, [...new Set([actorId, group.ownerId, ...involved])]);
      const edit = decide({ group, member: (userId) => known.get(userId) });
      if (edit === undefined) return { version: group.version, changedAt: 0, about: [] };
      return writeParts(statements, group, { groupId, actorId, clientMsgId, now, writeFanOut }, edit);
    });
  }

  async find(groupId: string): Promise<Group | undefined> {
    const rows = await this.sql.rows<GroupRow>(`SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id = ?`, [groupId]);
    return rows[0] && toGroup(rows[0]);
  }

  /** Digest of the request that made a group; undefined for one that an older build has made, and for none. */
  async requestDigest(groupId: string): Promise<string | undefined> {
    const sql = "SELECT request_digest AS digest FROM user_groups WHERE id = ?";
    return (await this.sql.rows<{ digest: string | null }>(sql, [groupId]))[0]?.digest ?? undefined;
  }

  /** All groups by id, behind `after`; those that were dissolved too. */
  async page(limit: number, after = ""): Promise<Group[]> {
    const sql = `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id > ? ORDER BY id LIMIT ?`;
    return (await this.sql.rows<GroupRow>(sql, [after, limit])).map(toGroup);
  }

  /** Those of these users who belong to a group, or have belonged to it. */
  async everMembers(groupId: string, userIds: string[]): Promise<Set<string>> {
    return new Set(userIds.length === 0 ? [] : (await membersOf(this.sql, groupId, userIds)).keys());
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

  /** The owner and the admins. */
  async admins(groupId: string): Promise<string[]> {
    const rows = await this.sql.rows<{ user_id: string }>(
      "SELECT user_id FROM group_members WHERE group_id = ? AND present = 1 AND role <> 'member'",
      [groupId],
    );
    return rows.map(({ user_id }) => user_id);
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

  /**
   * Who would own the group if its owner left: one who may act rather than one who is disabled, an admin rather than a member,
   * who came first rather than who came later.
   * @returns undefined when nobody else is there
   */
  async successor(groupId: string, ownerId: string): Promise<string | undefined> {
    const [row] = await this.sql.rows<{ user_id: string }>(
      `SELECT m.user_id FROM group_members m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL
       JOIN group_stays s ON s.group_id = m.group_id AND s.user_id = m.user_id AND s.left_version IS NULL
       WHERE m.group_id = ? AND m.user_id <> ? AND m.present = 1
       ORDER BY u.status = 'normal' DESC, m.role = 'admin' DESC, s.joined_version, m.user_id LIMIT 1`,
      [groupId, ownerId],
    );
    return row?.user_id;
  }

  /** Users whose account is deleted, and to whom something may still refer; by id, behind `after`. */
  async departures(limit: number, after = ""): Promise<string[]> {
    const sql = "SELECT user_id FROM departures WHERE user_id > ? ORDER BY user_id LIMIT ?";
    const rows = await this.sql.rows<{ user_id: string }>(sql, [after, limit]);
    return rows.map(({ user_id }) => user_id);
  }

  /** Nothing refers to this user any more that should not. */
  async departed(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM departures WHERE user_id = ?", [userId]);
  }

  /** Whom admins have removed, and who may come only by them; by id, behind `after`. */
  async bans(groupId: string, limit: number, after = ""): Promise<Ban[]> {
    return this.sql.rows<Ban>(
      `SELECT user_id AS userId, banned_by AS bannedBy, changed_at AS bannedAt FROM group_members
       WHERE group_id = ? AND user_id > ? AND banned_by IS NOT NULL ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
  }

  /** Somebody who was removed may come again as everybody; where there is no such ban, nothing changes. */
  async liftBan(groupId: string, userId: string): Promise<void> {
    await this.sql.run("UPDATE group_members SET banned_by = NULL WHERE group_id = ? AND user_id = ?", [
      groupId,
      userId,
    ]);
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
