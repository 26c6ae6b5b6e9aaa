/**
 * Users and their devices: registration, log-in, refresh tokens. These paths spend their time on the password hash,
 * so they go through TypeORM.
 *
 * Refresh tokens rotate: each use makes the next token of the family and voids the one before. A token of the family
 * that is not the newest was used before, by its owner or by a thief, and nobody can tell which: the whole family is
 * revoked, and the device has to log in again.
 */
import { withDeadline } from "@carillon/base";
import { loginIdOf } from "@carillon/base/node";
import { type DataSource, type EntityManager, In, IsNull, Not } from "typeorm";
import { DeviceEntity, type DeviceRow, UserEntity, type UserRow } from "./entities/accounts";
import { isDuplicate } from "./errors";

/** A user as the rest of the system may see him; his password's hash stays here and in log-in. */
export interface Account {
  userId: string;
  displayName: string;
  status: "normal" | "disabled";
  role: string;
  tokenVersion: number;
  createdAt: number;
  lastLoginAt: number | undefined;
}

/** What is stored of a refresh token. */
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

/** A log-in as it was registered: the account as it is now, and the devices that had to go for it. */
export interface SignedIn {
  account: Account;
  loggedOut: string[];
}

/** What became of a refresh token that somebody showed. */
export type Rotation =
  | { kind: "rotated"; platform: string; account: Account }
  /** Not a token of ours, or its family was revoked. */
  | { kind: "unknown" }
  | { kind: "expired" }
  /** Used before: the family is revoked now. */
  | { kind: "reused" };

/** Whether a session is still good, for those that hold an access token of it. */
export interface SessionState {
  status: "normal" | "disabled";
  role: string;
  tokenVersion: number;
  revoked: boolean;
  /** Whether the device ever logged in here; one that comes with a token of another issuer need not have. */
  hasLoggedIn: boolean;
  /** The device's log-in, as access tokens name it; undefined before the first. */
  login: string | undefined;
}

/** Most time for one of these, ms: TypeORM itself would wait for ever. */
const ANSWER_MS = 10_000;

export class AccountQueries {
  /**
   * @param source gives the connected TypeORM side, or rejects while MySQL is away
   * @param answerMs most time for one call; then it rejects, and what it does may be done or not
   */
  constructor(
    private readonly source: () => Promise<DataSource>,
    private readonly answerMs = ANSWER_MS,
  ) {}

  /** @returns false when the id is taken, also by one that differs only in case */
  async create(user: { userId: string; displayName: string; passwordHash: string; now: number }): Promise<boolean> {
    const { userId, displayName, passwordHash, now } = user;
    const row = { id: userId, foldedId: userId.toLowerCase(), displayName, passwordHash, createdAt: now };
    return this.ask(({ manager }) => manager.insert(UserEntity, row)).then(
      () => true,
      (error: unknown) => {
        if (isDuplicate(error)) return false;
        throw error;
      },
    );
  }

  /** Undefined for one who does not exist or was deleted. */
  async find(userId: string): Promise<Account | undefined> {
    const user = await this.ask(({ manager }) => findUser(manager, userId));
    return user && toAccount(user);
  }

  /** The account with its password's hash, for log-in. */
  async findWithPassword(userId: string): Promise<{ account: Account; passwordHash: string | undefined } | undefined> {
    const user = await this.ask(({ manager }) => findUser(manager, userId));
    return user && { account: toAccount(user), passwordHash: user.passwordHash ?? undefined };
  }

  /**
   * Registers a log-in on a device: a new family of refresh tokens, and the device is no longer revoked.
   * @param rules.passwordHash the one by which he was let in: it must be his still, under the lock of his row
   * @param rules.most devices of a user; those that were idle longest are logged out for it
   * @returns undefined when he was deleted, or has another password, since he was let in
   */
  async signIn(
    userId: string,
    device: { deviceId: string; platform: string },
    refresh: RefreshToken,
    now: number,
    { most = Number.POSITIVE_INFINITY, passwordHash }: { most?: number; passwordHash?: string } = {},
  ): Promise<SignedIn | undefined> {
    return this.inTransaction(async (manager) => {
      const lock = { mode: "pessimistic_write" } as const;
      const user = await manager.findOne(UserEntity, { where: { id: userId }, lock });
      if (user === null || user.deletedAt !== null) return undefined;
      if (passwordHash !== undefined && passwordHash !== user.passwordHash) return undefined;
      await manager.update(UserEntity, { id: userId }, { lastLoginAt: now });
      const fields = {
        platform: device.platform,
        ...refreshFields(refresh),
        lastSeenAt: now,
        revokedAt: null,
      };
      const key = { userId, deviceId: device.deviceId };
      const there = await manager.findOne(DeviceEntity, { where: key, lock });
      if (there === null) await manager.insert(DeviceEntity, { ...key, ...fields, createdAt: now });
      else await manager.update(DeviceEntity, key, fields);
      return { account: toAccount(user), loggedOut: await logOutIdle(manager, key, most, now) };
    });
  }

  /** Exchanges a refresh token for the next of its family. */
  async rotate(
    shown: { userId: string; deviceId: string; family: string; hash: string },
    next: { hash: string; expiresAt: number },
    now: number,
  ): Promise<Rotation> {
    const key = { userId: shown.userId, deviceId: shown.deviceId };
    return this.inTransaction(async (manager): Promise<Rotation> => {
      // The lock makes one of two uses at the same time the first.
      const device = await manager.findOne(DeviceEntity, { where: key, lock: { mode: "pessimistic_write" } });
      if (device === null || device.revokedAt !== null || device.refreshFamily !== shown.family) {
        return { kind: "unknown" };
      }
      if (device.refreshHash !== shown.hash) {
        await manager.update(DeviceEntity, key, revokedFields(now));
        return { kind: "reused" };
      }
      if ((device.refreshExpiresAt ?? 0) <= now) return { kind: "expired" };
      const user = await findUser(manager, shown.userId);
      if (user === undefined) return { kind: "unknown" };
      await manager.update(DeviceEntity, key, { ...refreshFields({ family: shown.family, ...next }), lastSeenAt: now });
      return { kind: "rotated", platform: device.platform, account: toAccount(user) };
    });
  }

  /** Revokes all tokens of a device. */
  async revokeDevice(userId: string, deviceId: string, now: number): Promise<void> {
    await this.ask(({ manager }) => manager.update(DeviceEntity, { userId, deviceId }, revokedFields(now)));
  }

  /** Devices that are logged in, last seen first. */
  async devices(userId: string): Promise<Device[]> {
    const rows = await this.ask(({ manager }) =>
      manager.find(DeviceEntity, { where: { userId }, order: { lastSeenAt: "DESC", deviceId: "ASC" } }),
    );
    return rows
      .filter(({ revokedAt }) => revokedAt === null)
      .map(({ deviceId, platform, createdAt, lastSeenAt }) => ({ deviceId, platform, createdAt, lastSeenAt }));
  }

  /** Undefined when the user does not exist. */
  async session(userId: string, deviceId: string): Promise<SessionState | undefined> {
    const [user, device] = await this.ask(({ manager }) =>
      Promise.all([findUser(manager, userId), manager.findOneBy(DeviceEntity, { userId, deviceId })]),
    );
    if (user === undefined) return undefined;
    const { status, role, tokenVersion } = user;
    const state = { status, role, tokenVersion };
    if (device === null) return { ...state, revoked: false, hasLoggedIn: false, login: undefined };
    const login = device.refreshFamily === null ? undefined : loginIdOf(device.refreshFamily);
    return { ...state, revoked: device.revokedAt !== null, hasLoggedIn: true, login };
  }

  private ask<T>(work: (source: DataSource) => Promise<T>): Promise<T> {
    return withDeadline(this.source().then(work), this.answerMs, "MySQL");
  }

  private inTransaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.ask((source) => source.transaction("READ COMMITTED", work));
  }
}

async function findUser(manager: EntityManager, userId: string): Promise<UserRow | undefined> {
  const user = await manager.findOneBy(UserEntity, { id: userId });
  return user === null || user.deletedAt !== null ? undefined : user;
}

/** Logs out what is too much, but not the device that logs in. */
async function logOutIdle(
  manager: EntityManager,
  { userId, deviceId }: { userId: string; deviceId: string },
  most: number,
  now: number,
): Promise<string[]> {
  const others = await manager.find(DeviceEntity, {
    where: { userId, deviceId: Not(deviceId), revokedAt: IsNull() },
    order: { lastSeenAt: "ASC", deviceId: "ASC" },
  });
  const idle = others.slice(0, Math.max(0, others.length + 1 - most)).map((device) => device.deviceId);
  if (idle.length > 0) await manager.update(DeviceEntity, { userId, deviceId: In(idle) }, revokedFields(now));
  return idle;
}

function toAccount({ id, displayName, status, role, tokenVersion, createdAt, lastLoginAt }: UserRow): Account {
  return { userId: id, displayName, status, role, tokenVersion, createdAt, lastLoginAt: lastLoginAt ?? undefined };
}

function refreshFields({ family, hash, expiresAt }: RefreshToken): Partial<DeviceRow> {
  return { refreshFamily: family, refreshHash: hash, refreshExpiresAt: expiresAt };
}

function revokedFields(now: number): Partial<DeviceRow> {
  return { refreshFamily: null, refreshHash: null, refreshExpiresAt: null, revokedAt: now };
}
