/**
 * Reads and changes groups. A change is one transaction under the lock of the group's row. It raises the version and writes the
 * event, which the conversation's history still lacks, into the outbox. So changes have an order, and a crash leaves either the
 * whole change or nothing. The owner of the conversation numbers the event afterwards.
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

/** The group and the members whom the change concerns, in their state under the lock. */
export interface LockedGroup {
  group: Group;
  member(userId: string): GroupMember | undefined;
}

/** The result of a change of a group. */
export interface ChangedGroup {
  version: number;
  /** ms by the database's clock; 0: there was nothing to change. */
  changedAt: number;
  /** Users whose membership, role or mute changed: their devices must be told. */
  about: string[];
}

export interface NewGroup {
  groupId: string;
  name: string;
  joinPolicy: Group["joinPolicy"];
  ownerId: string;
  memberIds: string[];
  /** Digest of the request, by which a repeated request is recognised. */
  digest: string;
  /** Whether an operator created the group. */
  by?: "operator";
}

/** A user whom an admin has removed. */
export interface Ban {
  userId: string;
  bannedBy: string;
  /** ms by the database's clock. */
  bannedAt: number;
}

export class GroupQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * @param writeFanOut maximum number of members of a small group
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
   * @param change.actorId the acting user; undefined: the owner
   * @param change.involved members that `decide` needs, besides the owner and the acting user
   * @param decide decides the edit by the state under the lock; it throws to refuse, and returns undefined to change nothing
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

  /** Returns the digest of the request that created a group; undefined when an older build created it, or it does not exist. */
  async requestDigest(groupId: string): Promise<string | undefined> {
    const sql = "SELECT request_digest AS digest FROM user_groups WHERE id = ?";
    return (await this.sql.rows<{ digest: string | null }>(sql, [groupId]))[0]?.digest ?? undefined;
  }

  /** Returns groups by id, after `after`, including dissolved groups. */
  async page(limit: number, after = ""): Promise<Group[]> {
    const sql = `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id > ? ORDER BY id LIMIT ?`;
    return (await this.sql.rows<GroupRow>(sql, [after, limit])).map(toGroup);
  }

  /** Returns the users of the list who belong to a group, or belonged to it. */
  async everMembers(groupId: string, userIds: string[]): Promise<Set<string>> {
    return new Set(userIds.length === 0 ? [] : (await membersOf(this.sql, groupId, userIds)).keys());
  }

  async member(groupId: string, userId: string): Promise<GroupMember | undefined> {
    return (await membersOf(this.sql, groupId, [userId])).get(userId);
  }

  /** Returns the time at which a user left a group or was removed, ms by the database's clock; undefined for a present member. */
  async leftAt(groupId: string, userId: string): Promise<number | undefined> {
    const [row] = await this.sql.rows<{ at: number }>(
      "SELECT changed_at AS at FROM group_members WHERE group_id = ? AND user_id = ? AND present = 0",
      [groupId, userId],
    );
    return row?.at;
  }

  /** Returns present members by id, after `after`. */
  async members(groupId: string, limit: number, after = ""): Promise<GroupMember[]> {
    const rows = await this.sql.rows<MemberRow>(
      `SELECT ${MEMBER_COLUMNS} FROM group_members
       WHERE group_id = ? AND user_id > ? AND present = 1 ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
    return rows.map(toMember);
  }

  /** Returns the owner and the admins. */
  async admins(groupId: string): Promise<string[]> {
    const rows = await this.sql.rows<{ user_id: string }>(
      "SELECT user_id FROM group_members WHERE group_id = ? AND present = 1 AND role <> 'member'",
      [groupId],
    );
    return rows.map(({ user_id }) => user_id);
  }

  /** Returns the groups of a user by id, after `after`. */
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
   * Returns the member who would own the group if its owner left: an enabled user rather than a disabled one, an admin rather
   * than a member, an earlier member rather than a later one.
   * @returns undefined when there is no other member
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

  /** Returns users whose account is deleted and to whom data may still refer; by id, after `after`. */
  async departures(limit: number, after = ""): Promise<string[]> {
    const sql = "SELECT user_id FROM departures WHERE user_id > ? ORDER BY user_id LIMIT ?";
    const rows = await this.sql.rows<{ user_id: string }>(sql, [after, limit]);
    return rows.map(({ user_id }) => user_id);
  }

  /** Stores that no data refers to this deleted user any more. */
  async departed(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM departures WHERE user_id = ?", [userId]);
  }

  /** Returns the users whom admins have removed and only admins can add; by id, after `after`. */
  async bans(groupId: string, limit: number, after = ""): Promise<Ban[]> {
    return this.sql.rows<Ban>(
      `SELECT user_id AS userId, banned_by AS bannedBy, changed_at AS bannedAt FROM group_members
       WHERE group_id = ? AND user_id > ? AND banned_by IS NOT NULL ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
  }

  /** Lifts the ban of a removed user; without a ban nothing changes. */
  async liftBan(groupId: string, userId: string): Promise<void> {
    await this.sql.run("UPDATE group_members SET banned_by = NULL WHERE group_id = ? AND user_id = ?", [
      groupId,
      userId,
    ]);
  }

  /**
   * Returns conversations that are owed an event since before `olderThan` (ms), because the process that committed it may have
   * died. By id, after `after`.
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

/** Writes an edit under the lock of the group's row; each part has a version and an event of its own. */
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
