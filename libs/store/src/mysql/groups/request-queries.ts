/**
 * Requests of users to be let into groups. One row for a group and a user; one that was refused stays for some time, so that
 * the admins are not asked again and again. What changes the requests of a group changes the rows of its admins, since SYNC
 * tells them how many wait.
 */
import { databaseTime, type Sql, type Statements } from "../sql";

/** What somebody has asked for, as they see it themselves. */
export interface OwnRequest {
  groupId: string;
  name: string;
  /** ms since 1970. */
  askedAt: number;
  /** ms since 1970; undefined: nobody has answered. */
  refusedAt: number | undefined;
}

/** `since`: when it was refused, ms. */
export type Asking =
  | { outcome: "asked"; admins: string[] }
  | { outcome: "waits" }
  | { outcome: "refused"; since: number };

export class RequestQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Remembers that somebody asks to be let in.
   * @param now ms @param refusedAfter a request that was refused since then is not made again
   * @returns the admins who are to be told; or that it waits already, or was refused
   */
  async ask(groupId: string, userId: string, now: number, refusedAfter: number): Promise<Asking> {
    return this.sql.transaction(async (statements) => {
      await lockGroup(statements, groupId);
      const [known] = await statements.rows<{ refused_at: number | null }>(
        "SELECT refused_at FROM group_requests WHERE group_id = ? AND user_id = ? FOR UPDATE",
        [groupId, userId],
      );
      if (known?.refused_at === null) return { outcome: "waits" };
      if (known !== undefined && known.refused_at > refusedAfter)
        return { outcome: "refused", since: known.refused_at };
      await statements.run(
        `INSERT INTO group_requests (group_id, user_id, asked_at) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE asked_at = VALUES(asked_at), refused_at = NULL`,
        [groupId, userId, now],
      );
      return { outcome: "asked", admins: await touchAdmins(statements, groupId) };
    });
  }

  /** Takes a request back. @returns the admins who are to be told; undefined: nobody waited */
  async withdraw(groupId: string, userId: string): Promise<string[] | undefined> {
    const sql = "DELETE FROM group_requests WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return this.answer(groupId, sql, [groupId, userId]);
  }

  /** Turns somebody down. @returns the admins who are to be told; undefined: nobody waited */
  async refuse(groupId: string, userId: string, now: number): Promise<string[] | undefined> {
    const sql = "UPDATE group_requests SET refused_at = ? WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return this.answer(groupId, sql, [now, groupId, userId]);
  }

  async hasAsked(groupId: string, userId: string): Promise<boolean> {
    const sql = "SELECT user_id FROM group_requests WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return (await this.sql.rows(sql, [groupId, userId])).length > 0;
  }

  /** Who asks to be let in, by id, behind `after`. */
  async list(groupId: string, limit: number, after = ""): Promise<{ userId: string; askedAt: number }[]> {
    return this.sql.rows<{ userId: string; askedAt: number }>(
      `SELECT user_id AS userId, asked_at AS askedAt FROM group_requests
       WHERE group_id = ? AND user_id > ? AND refused_at IS NULL ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
  }

  /** Requests of a user that wait, and those that were refused since then (ms), by the group's id, behind `after`. */
  async ofUser(userId: string, refusedAfter: number, limit: number, after = ""): Promise<OwnRequest[]> {
    const rows = await this.sql.rows<Omit<OwnRequest, "refusedAt"> & { refusedAt: number | null }>(
      `SELECT q.group_id AS groupId, g.name, q.asked_at AS askedAt, q.refused_at AS refusedAt
       FROM group_requests q JOIN user_groups g ON g.id = q.group_id AND g.dissolved_at IS NULL
       WHERE q.user_id = ? AND q.group_id > ? AND (q.refused_at IS NULL OR q.refused_at > ?)
       ORDER BY q.group_id LIMIT ?`,
      [userId, after, refusedAfter, limit],
    );
    return rows.map((row) => ({ ...row, refusedAt: row.refusedAt ?? undefined }));
  }

  /** Deletes all requests of a user, without a word to anybody. */
  async deleteOf(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM group_requests WHERE user_id = ?", [userId]);
  }

  /** Deletes requests that were refused before then (ms). */
  async deleteOlder(before: number, limit: number): Promise<number> {
    return this.sql.run("DELETE FROM group_requests WHERE refused_at < ? LIMIT ?", [before, limit]);
  }

  private async answer(groupId: string, sql: string, values: unknown[]): Promise<string[] | undefined> {
    return this.sql.transaction(async (statements) => {
      await lockGroup(statements, groupId);
      const met = await statements.run(sql, values);
      return met === 0 ? undefined : touchAdmins(statements, groupId);
    });
  }
}

/** As every change of a group, so that no two wait for each other crosswise. */
async function lockGroup(statements: Statements, groupId: string): Promise<void> {
  await statements.rows("SELECT id FROM user_groups WHERE id = ? FOR UPDATE", [groupId]);
}

/** @returns owner and admins of the group, whose rows SYNC tells again */
async function touchAdmins(statements: Statements, groupId: string): Promise<string[]> {
  const changedAt = await databaseTime(statements);
  const condition = "group_id = ? AND present = 1 AND role <> 'member'";
  await statements.run(`UPDATE group_members SET changed_at = ? WHERE ${condition}`, [changedAt, groupId]);
  const rows = await statements.rows<{ user_id: string }>(`SELECT user_id FROM group_members WHERE ${condition}`, [
    groupId,
  ]);
  return rows.map(({ user_id }) => user_id);
}
