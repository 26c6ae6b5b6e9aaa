/**
 * Users and their devices: registration, log-in, refresh tokens.
 *
 * Refresh tokens rotate: each use creates the next token of the family and voids the one before. A token of the family that is
 * not the newest was used before, by its owner or by a thief, and nobody can tell which. So the whole family is revoked, and the
 * device has to log in again. The token just before the newest is an exception for a moment, because the answer with the newest
 * may have been lost, or two tabs may have asked at once: it returns the same successor again.
 */
import type { WhoMayAdd } from "../groups/invitation-queries";
import type { Sql, Statements } from "../sql";

/** A user for the rest of the system; only this file and the log-in see the hash of the password. */
export interface Account {
  userId: string;
  displayName: string;
  status: "normal" | "disabled";
  role: string;
  tokenVersion: number;
  createdAt: number;
  lastLoginAt: number | undefined;
}

/** What a user allows others to do; undefined: as the settings of the cluster say. */
export interface Preferences {
  whoMayAdd: WhoMayAdd | undefined;
  whoMayWrite: WhoMayWrite | undefined;
}

export type WhoMayWrite = "everybody" | "friends";

/** The stored data of a refresh token. */
export interface RefreshToken {
  family: string;
  /** SHA-256 in hex. */
  hash: string;
  expiresAt: number;
}

export interface Device {
  deviceId: string;
  platform: string;
  createdAt: number;
  lastSeenAt: number;
}

/** A registered log-in: the present account, and the devices that were logged out for it. */
export interface SignedIn {
  account: Account;
  loggedOut: string[];
}

/** The conditions of a log-in, and its effects on other devices. */
export interface SignInRules {
  /** Maximum number of devices of a user; devices that were idle longest are logged out for the new one. */
  most?: number;
  /** Devices that are connected at this moment: none of them is idle. */
  connected?: readonly string[];
  /** The hash that matched the password: it must still be the user's hash under the lock of their row. */
  passwordHash?: string;
}

/** The result for a refresh token that a client showed. */
export type Rotation =
  /** `hash`: of the newest token now. */
  | { kind: "rotated"; hash: string; platform: string; account: Account }
  /** The token is unknown, or its family was revoked. */
  | { kind: "unknown" }
  | { kind: "expired" }
  /** The token was used before: the family is revoked now. */
  | { kind: "reused" };

/** Time for which the token before the newest returns the newest again although the device was seen since, ms. */
const SAME_SUCCESSOR_MS = 30_000;

export class AccountQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns a user; undefined when the user does not exist or was deleted. */
  async find(userId: string): Promise<Account | undefined> {
    const user = await findUser(this.sql, userId);
    return user && toAccount(user);
  }

  /** Returns the choices of a user; undefined when the user does not exist or was deleted. */
  async preferences(userId: string): Promise<Preferences | undefined> {
    const [row] = await this.sql.rows<{ who_may_add: WhoMayAdd | null; who_may_write: WhoMayWrite | null }>(
      "SELECT who_may_add, who_may_write FROM users WHERE id = ? AND deleted_at IS NULL",
      [userId],
    );
    return row && { whoMayAdd: row.who_may_add ?? undefined, whoMayWrite: row.who_may_write ?? undefined };
  }

  /** @returns false when the user does not exist */
  async prefer(userId: string, { whoMayAdd, whoMayWrite }: Partial<Preferences>): Promise<boolean> {
    const met = await this.sql.run(
      `UPDATE users SET who_may_add = COALESCE(?, who_may_add), who_may_write = COALESCE(?, who_may_write)
       WHERE id = ? AND deleted_at IS NULL`,
      [whoMayAdd ?? null, whoMayWrite ?? null, userId],
    );
    return met > 0;
  }

  /** The account with its password's hash, for log-in. */
  async findWithPassword(userId: string): Promise<{ account: Account; passwordHash: string | undefined } | undefined> {
    const user = await findUser(this.sql, userId);
    return user && { account: toAccount(user), passwordHash: user.password_hash ?? undefined };
  }

  /**
   * Registers a log-in on a device: a new family of refresh tokens, and the device is no longer revoked.
   * @returns undefined when the user was deleted, or got another password, after the password was checked
   */
  async signIn(
    userId: string,
    { deviceId, platform }: { deviceId: string; platform: string },
    { family, hash, expiresAt }: RefreshToken,
    now: number,
    { most = Number.POSITIVE_INFINITY, connected = [], passwordHash }: SignInRules = {},
  ): Promise<SignedIn | undefined> {
    return this.sql.transaction(async (statements) => {
      const user = await findUser(statements, userId, "FOR UPDATE");
      if (user === undefined) return undefined;
      if (passwordHash !== undefined && passwordHash !== user.password_hash) return undefined;
      await statements.run("UPDATE users SET last_login_at = ? WHERE id = ?", [now, userId]);
      await statements.run(
        `INSERT INTO devices (user_id, device_id, platform, refresh_family, refresh_hash, refresh_expires_at,
           created_at, last_seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE platform = VALUES(platform), refresh_family = VALUES(refresh_family),
           refresh_hash = VALUES(refresh_hash), refresh_expires_at = VALUES(refresh_expires_at), refreshed_at = NULL,
           last_seen_at = VALUES(last_seen_at), revoked_at = NULL`,
        [userId, deviceId, platform, family, hash, expiresAt, now, now],
      );
      const loggedOut = await logOutIdle(statements, userId, deviceId, { most, connected, now });
      return { account: { ...toAccount(user), lastLoginAt: now }, loggedOut };
    });
  }

  /**
   * Exchanges a refresh token for the next of its family.
   * @param next.hashes of the successor; and of those that the same token may have had before the secret was changed
   */
  async rotate(
    shown: { userId: string; deviceId: string; family: string; hash: string },
    next: { hashes: readonly string[]; expiresAt: number },
    now: number,
  ): Promise<Rotation> {
    const key = [shown.userId, shown.deviceId];
    return this.sql.transaction(async (statements): Promise<Rotation> => {
      // The lock gives two simultaneous uses an order.
      const [device] = await statements.rows<DeviceRow>(
        `SELECT ${DEVICE_COLUMNS} FROM devices WHERE user_id = ? AND device_id = ? FOR UPDATE`,
        key,
      );
      if (device === undefined || device.revoked_at !== null || device.refresh_family !== shown.family) {
        return { kind: "unknown" };
      }
      const isNewest = device.refresh_hash === shown.hash;
      const refreshedAt = device.refreshed_at ?? 0;
      // A page may be closed before it stores the answer, and opened again the next day: then nobody has the newest token.
      const isUnused = device.last_seen_at <= refreshedAt;
      const isAgain =
        next.hashes.includes(device.refresh_hash ?? "") && (isUnused || now - refreshedAt <= SAME_SUCCESSOR_MS);
      if (!isNewest && !isAgain) {
        await revokeDevices(statements, shown.userId, [shown.deviceId], now);
        return { kind: "reused" };
      }
      if ((device.refresh_expires_at ?? 0) <= now) return { kind: "expired" };
      const user = await findUser(statements, shown.userId);
      if (user === undefined) return { kind: "unknown" };
      const hash = isNewest ? next.hashes[0]! : device.refresh_hash!;
      if (isNewest) {
        await statements.run(
          `UPDATE devices SET refresh_hash = ?, refresh_expires_at = ?, refreshed_at = ?, last_seen_at = ?
           WHERE user_id = ? AND device_id = ?`,
          [hash, next.expiresAt, now, now, ...key],
        );
      }
      return { kind: "rotated", hash, platform: device.platform, account: toAccount(user) };
    });
  }

  /** Revokes all tokens of a device. */
  async revokeDevice(userId: string, deviceId: string, now: number): Promise<void> {
    await revokeDevices(this.sql, userId, [deviceId], now);
  }

  /** Returns the devices that are logged in, last seen first. */
  async devices(userId: string): Promise<Device[]> {
    const rows = await this.sql.rows<DeviceRow>(
      `SELECT ${DEVICE_COLUMNS} FROM devices WHERE user_id = ? AND revoked_at IS NULL
       ORDER BY last_seen_at DESC, device_id`,
      [userId],
    );
    return rows.map((row) => ({
      deviceId: row.device_id,
      platform: row.platform,
      createdAt: row.created_at,
      lastSeenAt: row.last_seen_at,
    }));
  }
}

interface UserRow {
  id: string;
  display_name: string;
  password_hash: string | null;
  status: "normal" | "disabled";
  role: string;
  token_version: number;
  created_at: number;
  last_login_at: number | null;
}

const USER_COLUMNS = "id, display_name, password_hash, status, role, token_version, created_at, last_login_at";

interface DeviceRow {
  device_id: string;
  platform: string;
  refresh_family: string | null;
  refresh_hash: string | null;
  refresh_expires_at: number | null;
  refreshed_at: number | null;
  created_at: number;
  last_seen_at: number;
  revoked_at: number | null;
}

const DEVICE_COLUMNS =
  "device_id, platform, refresh_family, refresh_hash, refresh_expires_at, refreshed_at, created_at, last_seen_at, revoked_at";

/** The columns that revoking sets in a row of devices. @see revokeDevices */
export const REVOKED =
  "refresh_family = NULL, refresh_hash = NULL, refresh_expires_at = NULL, refreshed_at = NULL, revoked_at = ?";

/** Voids all tokens of these devices. */
export async function revokeDevices(
  statements: Statements,
  userId: string,
  deviceIds: string[],
  now: number,
): Promise<void> {
  if (deviceIds.length === 0) return;
  await statements.run(`UPDATE devices SET ${REVOKED} WHERE user_id = ? AND device_id IN (?)`, [
    now,
    userId,
    deviceIds,
  ]);
}

async function findUser(
  statements: Statements,
  userId: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<UserRow | undefined> {
  const [row] = await statements.rows<UserRow>(
    `SELECT ${USER_COLUMNS} FROM users WHERE id = ? AND deleted_at IS NULL ${lock}`,
    [userId],
  );
  return row;
}

/** Logs out surplus devices, but not the device that logs in; connected devices come last. */
async function logOutIdle(
  statements: Statements,
  userId: string,
  deviceId: string,
  { most, connected, now }: { most: number; connected: readonly string[]; now: number },
): Promise<string[]> {
  const rows = await statements.rows<{ device_id: string }>(
    `SELECT device_id FROM devices WHERE user_id = ? AND device_id <> ? AND revoked_at IS NULL
     ORDER BY last_seen_at, device_id FOR UPDATE`,
    [userId, deviceId],
  );
  const others = rows.map((row) => row.device_id);
  const idleFirst = [
    ...others.filter((other) => !connected.includes(other)),
    ...others.filter((other) => connected.includes(other)),
  ];
  const idle = idleFirst.slice(0, Math.max(0, others.length + 1 - most));
  await revokeDevices(statements, userId, idle, now);
  return idle;
}

function toAccount(row: UserRow): Account {
  return {
    userId: row.id,
    displayName: row.display_name,
    status: row.status,
    role: row.role,
    tokenVersion: row.token_version,
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at ?? undefined,
  };
}
