/**
 * Requests of users to join groups. There is one row for a group and a user. A refused request stays for some time, so that
 * the admins are not asked again and again. A change of the requests of a group also changes the rows of its admins, because
 * SYNC tells them the number of waiting requests.
 */
import { databaseTime, type Sql, type Statements } from "../sql";

/** A request as the requesting user sees it. */
export interface OwnRequest {
  groupId: string;
  name: string;
  /** ms since 1970. */
  askedAt: number;
  /** ms since 1970; undefined: no admin has answered. */
  refusedAt: number | undefined;
}

/** The result of a request; `since`: time of the refusal, ms. */
export type Asking =
  | { outcome: "asked"; admins: string[] }
  | { outcome: "waits" }
  | { outcome: "refused"; since: number };

export class RequestQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Stores a request to join.
   * @param now ms @param refusedAfter a request that was refused since then is not stored again
   * @returns the admins to tell; or that the request waits already, or was refused
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

  /** Takes a request back. @returns the admins to tell; undefined: there was no waiting request */
  async withdraw(groupId: string, userId: string): Promise<string[] | undefined> {
    const sql = "DELETE FROM group_requests WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return this.answer(groupId, sql, [groupId, userId]);
  }

  /** Refuses a request. @returns the admins to tell; undefined: there was no waiting request */
  async refuse(groupId: string, userId: string, now: number): Promise<string[] | undefined> {
    const sql = "UPDATE group_requests SET refused_at = ? WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return this.answer(groupId, sql, [now, groupId, userId]);
  }

  async hasAsked(groupId: string, userId: string): Promise<boolean> {
    const sql = "SELECT user_id FROM group_requests WHERE group_id = ? AND user_id = ? AND refused_at IS NULL";
    return (await this.sql.rows(sql, [groupId, userId])).length > 0;
  }

  /** Returns the requests to join a group, by user id, after `after`. */
  async list(groupId: string, limit: number, after = ""): Promise<{ userId: string; askedAt: number }[]> {
    return this.sql.rows<{ userId: string; askedAt: number }>(
      `SELECT user_id AS userId, asked_at AS askedAt FROM group_requests
       WHERE group_id = ? AND user_id > ? AND refused_at IS NULL ORDER BY user_id LIMIT ?`,
      [groupId, after, limit],
    );
  }

  /** Returns the waiting requests of a user, and those refused since the given time (ms), by the group's id, after `after`. */
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

  /** Deletes all requests of a user without telling anybody. */
  async deleteOf(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM group_requests WHERE user_id = ?", [userId]);
  }

  /** Deletes requests that were refused before the given time (ms). */
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

/** Locks the group's row, as every change of a group does, so that no two changes wait for each other crosswise. */
async function lockGroup(statements: Statements, groupId: string): Promise<void> {
  await statements.rows("SELECT id FROM user_groups WHERE id = ? FOR UPDATE", [groupId]);
}

/** @returns owner and admins of the group; SYNC tells their rows again */
async function touchAdmins(statements: Statements, groupId: string): Promise<string[]> {
  const changedAt = await databaseTime(statements);
  const condition = "group_id = ? AND present = 1 AND role <> 'member'";
  await statements.run(`UPDATE group_members SET changed_at = ? WHERE ${condition}`, [changedAt, groupId]);
  const rows = await statements.rows<{ user_id: string }>(`SELECT user_id FROM group_members WHERE ${condition}`, [
    groupId,
  ]);
  return rows.map(({ user_id }) => user_id);
}
