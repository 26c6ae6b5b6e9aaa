/**
 * Loads a group for the owner of its conversation: the row, the members, and the events that the outbox still owes, under a
 * shared lock of the row, so that no change falls between them. Members carry the version of their last change, so that
 * members who were loaded before are not read again.
 */

import { getOrSet } from "@carillon/base";
import { groupConversationId, groupIdOf } from "@carillon/protocol";
import type { Sql, Statements } from "../sql";
import {
  GROUP_COLUMNS,
  type Group,
  type GroupRow,
  type GroupStay,
  MEMBER_COLUMNS,
  type MemberRow,
  type MemberStays,
  type StayRow,
  toGroup,
  toMember,
  toStay,
} from "./group-rows";

/** As in user_groups, with `-from-here` when the change made the group cross the limit. */
export type GroupFanOut = "write" | "read" | "write-from-here" | "read-from-here";

/** A system event that a change of a group owes to its conversation. */
export interface GroupChange {
  groupId: string;
  /** Version of the group after the change. */
  version: number;
  actorId: string;
  clientMsgId: string;
  /** Content of the event. */
  content: string;
  /** How this event and later ones reach the members; absent: `write`. */
  fanOut?: GroupFanOut;
}

export interface LoadedGroup {
  group: Group;
  /** All members, or the members changed above the asker's version; including former members. */
  members: MemberStays[];
  /** In the order of versions; some may already have numbers without being archived. */
  changes: GroupChange[];
}

export class GroupFacts {
  constructor(private readonly sql: Sql) {}

  /**
   * @param wanted groups with the version that the asker knows; 0: none
   * @returns groups by groupId; a group that does not exist is missing
   */
  async load(wanted: { groupId: string; version: number }[]): Promise<Map<string, LoadedGroup>> {
    // In the order of keys, because two workers that load many groups must not lock them crosswise.
    const sorted = [...wanted].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    const ids = sorted.map(({ groupId }) => groupId);
    return this.sql.transaction(async (statements) => {
      const rows = await statements.rows<GroupRow>(
        `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id IN (?) ORDER BY id LOCK IN SHARE MODE`,
        [ids],
      );
      const loaded = new Map(
        rows.map((row): [string, LoadedGroup] => [row.id, { group: toGroup(row), members: [], changes: [] }]),
      );
      for (const { groupId, member } of await membersSince(statements, sorted))
        loaded.get(groupId)?.members.push(member);
      const owed = await statements.rows<{ conversation: string; version: number; body: string }>(
        "SELECT conversation, version, body FROM outbox WHERE conversation IN (?) ORDER BY conversation, version",
        [ids.map(groupConversationId)],
      );
      for (const { conversation, version, body } of owed) {
        const groupId = groupIdOf(conversation)!;
        loaded.get(groupId)?.changes.push({ groupId, version, ...(JSON.parse(body) as OwedBody) });
      }
      return loaded;
    });
  }

  /** Returns the large groups of these users. */
  async largeGroupsOf(userIds: string[], deadline?: number): Promise<Map<string, string[]>> {
    const rows = await this.sql.rows<{ user_id: string; group_id: string }>(
      `SELECT m.user_id, m.group_id FROM group_members m JOIN user_groups g ON g.id = m.group_id
       WHERE m.user_id IN (?) AND m.present = 1 AND g.fan_out = 'read'`,
      [userIds],
      deadline,
    );
    const groups = new Map<string, string[]>();
    for (const { user_id, group_id } of rows) getOrSet(groups, user_id, (): string[] => []).push(group_id);
    return groups;
  }
}

/** The body of an outbox row. */
export type OwedBody = Pick<GroupChange, "actorId" | "clientMsgId" | "content" | "fanOut">;

/** Reads members changed above the known versions, with all their stays. */
async function membersSince(
  statements: Statements,
  wanted: { groupId: string; version: number }[],
): Promise<{ groupId: string; member: MemberStays }[]> {
  const condition = wanted.map(() => "(m.group_id = ? AND m.version > ?)").join(" OR ");
  const values = wanted.flatMap(({ groupId, version }) => [groupId, version]);
  const columns = MEMBER_COLUMNS.split(", ").map((column) => `m.${column}`);
  const rows = await statements.rows<MemberRow>(`SELECT ${columns} FROM group_members m WHERE ${condition}`, values);
  const stays = await statements.rows<StayRow>(
    `SELECT s.group_id, s.user_id, s.joined_version, s.joined_seq, s.left_version, s.left_seq
     FROM group_members m JOIN group_stays s ON s.group_id = m.group_id AND s.user_id = m.user_id
     WHERE ${condition} ORDER BY s.joined_version`,
    values,
  );
  const byMember = new Map<string, GroupStay[]>();
  for (const row of stays)
    getOrSet(byMember, `${row.group_id} ${row.user_id}`, (): GroupStay[] => []).push(toStay(row));
  return rows.map((row) => ({
    groupId: row.group_id,
    member: { ...toMember(row), stays: byMember.get(`${row.group_id} ${row.user_id}`) ?? [] },
  }));
}
