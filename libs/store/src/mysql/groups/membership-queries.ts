/**
 * The groups of one user for the user's devices: those that changed since a time of the database's clock. A group has changed
 * when its row, or the user's own row in it, was written (docs/decisions/0018).
 */

import type { GroupRole, GroupRow } from "@carillon/protocol";
import { type ListQuestion, listId } from "../conversation-queries";
import { asId, keyTable, type Sql, timeOf } from "../sql";

export class MembershipQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Returns groups by id, after `after`. A group that has ended for the user has no role: a group that they left tells them
   * nothing about itself any more.
   * @param since ms by the database's clock; 0: all groups of the user, without ended ones
   */
  async changedSince(userId: string, since: number, limit: number, after = ""): Promise<GroupRow[]> {
    const condition =
      since === 0
        ? "m.present = 1 AND g.dissolved_at IS NULL"
        : "(m.changed_at >= ? OR (m.present = 1 AND g.changed_at >= ?))";
    const rows = await this.sql.rows<MembershipRow>(
      `SELECT ${COLUMNS}
       FROM group_members m JOIN user_groups g ON g.id = m.group_id
       WHERE m.user_id = ? AND m.group_id > ? AND ${condition} ORDER BY m.group_id LIMIT ?`,
      [userId, after, ...(since === 0 ? [] : [since, since]), limit],
    );
    return rows.map(toGroupRow);
  }

  /**
   * Returns the complete result of `changedSince` for several users, for users with few groups; by the `listId` of the
   * question.
   * @param questions each once, not empty
   */
  async changedOfFew(questions: ListQuestion[]): Promise<Map<string, GroupRow[]>> {
    const { table, values } = keyTable(
      ["user_id", "since"],
      questions.map(({ userId, since }) => [userId, since]),
    );
    const rows = await this.sql.rows<MembershipRow & { owner: string; since: number }>(
      `SELECT w.user_id AS owner, w.since, ${COLUMNS}
       FROM ${table} AS w STRAIGHT_JOIN group_members m ON m.user_id = ${asId("w.user_id")}
         JOIN user_groups g ON g.id = m.group_id
       WHERE IF(w.since = 0, m.present = 1 AND g.dissolved_at IS NULL,
         m.changed_at >= w.since OR (m.present = 1 AND g.changed_at >= w.since))`,
      values,
    );
    const lists = new Map(questions.map((question) => [listId(question), [] as GroupRow[]]));
    for (const row of rows.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      lists.get(listId({ userId: row.owner, since: row.since }))!.push(toGroupRow(row));
    }
    return lists;
  }
}

const COLUMNS = `g.id, g.name, g.notice, g.owner_id, g.join_policy, g.muted, g.member_count, g.dissolved_at,
  IF(m.role = 'member', 0,
    (SELECT COUNT(*) FROM group_requests q WHERE q.group_id = g.id AND q.refused_at IS NULL)) AS requests,
  m.role, m.muted_until, m.present, GREATEST(IF(m.present = 1, g.changed_at, 0), m.changed_at) AS version`;

interface MembershipRow {
  id: string;
  name: string;
  notice: string | null;
  owner_id: string;
  join_policy: GroupRow["joinPolicy"];
  muted: number;
  member_count: number;
  dissolved_at: number | null;
  /** Number of requests to join, told to admins only. */
  requests: number;
  role: GroupRole;
  muted_until: number | string;
  present: number;
  version: number;
}

function toGroupRow(row: MembershipRow): GroupRow {
  const isPresent = row.present === 1;
  const isOver = row.dissolved_at !== null;
  const mutedUntil = timeOf(row.muted_until);
  return {
    groupId: row.id,
    name: isPresent ? row.name : "",
    ...(isPresent && row.notice !== null ? { notice: row.notice } : {}),
    ownerId: row.owner_id,
    joinPolicy: row.join_policy,
    ...(isPresent && row.muted === 1 ? { muted: true } : {}),
    memberCount: isPresent ? row.member_count : 0,
    ...(isPresent && !isOver ? { role: row.role } : {}),
    ...(isPresent && !isOver && row.requests > 0 ? { requests: row.requests } : {}),
    ...(mutedUntil > 0 ? { mutedUntil } : {}),
    ...(isPresent && isOver ? { dissolved: true } : {}),
    version: row.version,
  };
}
