/** Changes of users by themselves and by operators. A change that ends a session voids its tokens in the same transaction. */
import { DELETED_USER } from "@carillon/protocol";
import { isInserted } from "../errors";
import { asId, keyTable, type Sql, type Statements, timeOf } from "../sql";
import { REVOKED, revokeDevices } from "./account-queries";
import { fileUsers, type NamedUser } from "./name-queries";

/** A user for operators. */
export interface UserRecord extends NamedUser {
  status: "normal" | "disabled" | "deleted";
  /** ms since 1970; 0: not muted. */
  mutedUntil: number;
  role: string;
  createdAt: number;
  lastLoginAt: number | undefined;
}

export class UserQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns names of users who exist or have existed. */
  async names(userIds: string[]): Promise<Map<string, { displayName: string; isDeleted: boolean }>> {
    if (userIds.length === 0) return new Map();
    const rows = await this.sql.rows<{ id: string; display_name: string; deleted_at: number | null }>(
      "SELECT id, display_name, deleted_at FROM users WHERE id IN (?)",
      [userIds],
    );
    return new Map(rows.map((row) => [row.id, { displayName: row.display_name, isDeleted: row.deleted_at !== null }]));
  }

  /** Moves the times forward at which users and their devices were last seen. @param seen ms, by ascending ids */
  async saw(seen: [userId: string, deviceId: string, at: number][]): Promise<void> {
    if (seen.length === 0) return;
    const users = new Map<string, number>();
    for (const [userId, , at] of seen) users.set(userId, Math.max(at, users.get(userId) ?? 0));
    const { table, values } = keyTable(["id", "seen_at"], [...users]);
    await this.sql.run(
      `UPDATE ${table} AS s STRAIGHT_JOIN users u ON u.id = ${asId("s.id")}
       SET u.last_seen_at = GREATEST(u.last_seen_at, s.seen_at)`,
      values,
    );
    const devices = keyTable(["user_id", "device_id", "seen_at"], seen);
    await this.sql.run(
      `UPDATE ${devices.table} AS s STRAIGHT_JOIN devices d
         ON d.user_id = ${asId("s.user_id")} AND d.device_id = ${asId("s.device_id")}
       SET d.last_seen_at = GREATEST(d.last_seen_at, s.seen_at)`,
      devices.values,
    );
  }

  /** Returns the times at which users were last seen, ms; users who never connected are missing. */
  async lastSeen(userIds: string[]): Promise<Map<string, number>> {
    if (userIds.length === 0) return new Map();
    const rows = await this.sql.rows<{ id: string; last_seen_at: number }>(
      "SELECT id, last_seen_at FROM users WHERE id IN (?) AND last_seen_at > 0",
      [userIds],
    );
    return new Map(rows.map(({ id, last_seen_at }) => [id, last_seen_at]));
  }

  /** Returns users by id, after `after`, including deleted users. */
  async list(limit: number, after = "", role?: string): Promise<UserRecord[]> {
    const rows = await this.sql.rows<UserRow>(
      `SELECT ${COLUMNS} FROM users WHERE id > ? ${role === undefined ? "" : "AND role = ?"} ORDER BY id LIMIT ?`,
      [after, ...(role === undefined ? [] : [role]), limit],
    );
    return rows.map(toRecord);
  }

  /** Returns a user, including a deleted one; undefined when the user never existed. */
  async record(userId: string): Promise<UserRecord | undefined> {
    const [row] = await this.sql.rows<UserRow>(`SELECT ${COLUMNS} FROM users WHERE id = ?`, [userId]);
    return row && toRecord(row);
  }

  /** Updates columns of an existing user. @returns false when the user does not exist */
  rename(userId: string, displayName: string): Promise<boolean> {
    return this.refile(userId, "display_name = ?", [displayName]);
  }

  mute(userId: string, until: number): Promise<boolean> {
    return this.update(userId, "muted_until = ?", [until]);
  }

  setRole(userId: string, role: string): Promise<boolean> {
    return this.update(userId, "role = ?", [role]);
  }

  setStatus(userId: string, status: "normal" | "disabled"): Promise<boolean> {
    return this.refile(userId, "status = ?", [status]);
  }

  /** Sets a new password; every device but one has to log in again. @returns the devices that were logged out */
  async setPassword(userId: string, passwordHash: string, keepDeviceId: string, now: number): Promise<string[]> {
    return this.sql.transaction(async (statements) => {
      await statements.run("UPDATE users SET password_hash = ? WHERE id = ? AND deleted_at IS NULL", [
        passwordHash,
        userId,
      ]);
      const others = await statements.rows<{ device_id: string }>(
        "SELECT device_id FROM devices WHERE user_id = ? AND device_id <> ? AND revoked_at IS NULL FOR UPDATE",
        [userId, keepDeviceId],
      );
      const deviceIds = others.map(({ device_id }) => device_id);
      await revokeDevices(statements, userId, deviceIds, now);
      return deviceIds;
    });
  }

  /** Voids all tokens of a user. @returns false when the user does not exist */
  async logOutEverywhere(userId: string, now: number): Promise<boolean> {
    return this.sql.transaction(async (statements) => {
      const found = await statements.run(
        "UPDATE users SET token_version = token_version + 1 WHERE id = ? AND deleted_at IS NULL",
        [userId],
      );
      await revokeAll(statements, userId, now);
      return found > 0;
    });
  }

  /** Removes name, password and tokens; the id stays taken, because the user's messages name it. */
  async delete(userId: string, now: number): Promise<boolean> {
    return this.sql.transaction(async (statements) => {
      const found = await statements.run(
        `UPDATE users SET deleted_at = ?, display_name = ?, made_as = NULL, password_hash = NULL, role = 'user',
           token_version = token_version + 1 WHERE id = ? AND deleted_at IS NULL`,
        [now, DELETED_USER, userId],
      );
      await revokeAll(statements, userId, now);
      await fileUsers(statements, [userId]);
      // The user's groups learn of it one by one; this row remembers a user who is not done yet.
      await statements.run("INSERT INTO departures (user_id) VALUES (?) ON DUPLICATE KEY UPDATE user_id = user_id", [
        userId,
      ]);
      return found > 0;
    });
  }

  /** Creates a user with or without a password. @returns false when the id is taken, also by an id that differs in case only */
  async create(user: NamedUser & { passwordHash?: string | undefined; now: number }): Promise<boolean> {
    const { userId, displayName, passwordHash = null, now } = user;
    // With a password nothing is stored that could be compared with another request.
    const madeAs = passwordHash === null ? displayName : null;
    return this.sql.transaction(async (statements) => {
      const isNew = await isInserted(
        statements.run(
          `INSERT INTO users (id, folded_id, display_name, password_hash, created_at, made_as)
           VALUES (?, ?, ?, ?, ?, ?)`,
          [userId, userId.toLowerCase(), displayName, passwordHash, now, madeAs],
        ),
      );
      if (isNew) await fileUsers(statements, [userId]);
      return isNew;
    });
  }

  /** Whether the user was created with this name and without a password and is not deleted, whatever their present name. */
  async wasMade({ userId, displayName }: NamedUser): Promise<boolean> {
    const sql = "SELECT 1 FROM users WHERE id = ? AND made_as = ? AND deleted_at IS NULL";
    return (await this.sql.rows(sql, [userId, displayName])).length > 0;
  }

  private async update(
    userId: string,
    change: string,
    values: unknown[],
    statements: Statements = this.sql,
  ): Promise<boolean> {
    const found = await statements.run(`UPDATE users SET ${change} WHERE id = ? AND deleted_at IS NULL`, [
      ...values,
      userId,
    ]);
    return found > 0;
  }

  /** As `update`, for columns that decide how the search finds a user. */
  private refile(userId: string, change: string, values: unknown[]): Promise<boolean> {
    return this.sql.transaction(async (statements) => {
      const isThere = await this.update(userId, change, values, statements);
      if (isThere) await fileUsers(statements, [userId]);
      return isThere;
    });
  }
}

interface UserRow {
  id: string;
  display_name: string;
  status: "normal" | "disabled";
  muted_until: number | string;
  role: string;
  created_at: number;
  last_login_at: number | null;
  deleted_at: number | null;
}

const COLUMNS = "id, display_name, status, muted_until, role, created_at, last_login_at, deleted_at";

function toRecord(row: UserRow): UserRecord {
  return {
    userId: row.id,
    displayName: row.display_name,
    status: row.deleted_at === null ? row.status : "deleted",
    mutedUntil: timeOf(row.muted_until),
    role: row.role,
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at ?? undefined,
  };
}

async function revokeAll(statements: Statements, userId: string, now: number): Promise<void> {
  await statements.run(`UPDATE devices SET ${REVOKED} WHERE user_id = ? AND revoked_at IS NULL`, [now, userId]);
}
