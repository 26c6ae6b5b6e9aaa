/** Users, their devices, and the keys of other systems. */
import { EntitySchema } from "typeorm";
import { flag, id, longId, oneOf, text, time, word } from "./columns";

export interface UserRow {
  id: string;
  /** The id in lower case, so that two ids that differ only in case cannot both exist. */
  foldedId: string;
  displayName: string;
  /** The name in lower case, computed by the database: apis of the previous build search by it. */
  foldedName?: string;
  /** 0: such an api, or an operator by hand, created the user, whom the search does not find yet. */
  isFiled?: number;
  /** argon2id in its text form; null: this user cannot log in with a password. */
  passwordHash: string | null;
  status: "normal" | "disabled";
  mutedUntil: number;
  role: string;
  /** Raised when all tokens of the user become void. */
  tokenVersion: number;
  createdAt: number;
  lastLoginAt: number | null;
  /** Time at which a connection of the user was last opened or closed; 0: never. */
  lastSeenAt: number;
  deletedAt: number | null;
  /** Who may add the user to groups, and write to them; null: as the settings say. */
  whoMayAdd: string | null;
  whoMayWrite: string | null;
  /** The name in the request that created a user without a password; null: with a password, or by an older build. */
  madeAs: string | null;
}

export const UserEntity = new EntitySchema<UserRow>({
  name: "User",
  tableName: "users",
  columns: {
    id: longId("id", { primary: true }),
    foldedId: longId("folded_id", { unique: true }),
    displayName: text("display_name", 64),
    foldedName: text("folded_name", 128, { nullable: true, select: false, insert: false, update: false }),
    isFiled: { ...flag("is_filed"), select: false, insert: false, update: false },
    passwordHash: id("password_hash", { length: 255, nullable: true }),
    status: oneOf("status", ["normal", "disabled"], { default: "normal" }),
    mutedUntil: time("muted_until", { default: 0 }),
    role: word("role", { default: "user" }),
    tokenVersion: { name: "token_version", type: "int", unsigned: true, default: 1 },
    createdAt: time("created_at"),
    lastLoginAt: time("last_login_at", { nullable: true }),
    lastSeenAt: time("last_seen_at", { default: 0 }),
    deletedAt: time("deleted_at", { nullable: true }),
    whoMayAdd: word("who_may_add", { nullable: true }),
    whoMayWrite: word("who_may_write", { nullable: true }),
    madeAs: text("made_as", 64, { nullable: true }),
  },
});

export interface UserNameRow {
  /** The folded id, or the folded name from one of its words on. */
  entry: string;
  userId: string;
}

/** The search entries of users who can receive messages. */
export const UserNameEntity = new EntitySchema<UserNameRow>({
  name: "UserName",
  tableName: "user_names",
  columns: {
    entry: text("entry", 64, { primary: true }),
    userId: longId("user_id", { primary: true }),
  },
});

export interface DeviceRow {
  userId: string;
  deviceId: string;
  platform: string;
  /** Names all refresh tokens since one log-in. */
  refreshFamily: string | null;
  /** SHA-256 of the family's newest token, in hex. */
  refreshHash: string | null;
  refreshExpiresAt: number | null;
  /** Time at which that token was issued. */
  refreshedAt: number | null;
  createdAt: number;
  lastSeenAt: number;
  revokedAt: number | null;
}

export const DeviceEntity = new EntitySchema<DeviceRow>({
  name: "Device",
  tableName: "devices",
  columns: {
    userId: longId("user_id", { primary: true }),
    deviceId: longId("device_id", { primary: true }),
    platform: word("platform"),
    refreshFamily: longId("refresh_family", { nullable: true }),
    refreshHash: longId("refresh_hash", { nullable: true }),
    refreshExpiresAt: time("refresh_expires_at", { nullable: true }),
    refreshedAt: time("refreshed_at", { nullable: true }),
    createdAt: time("created_at"),
    lastSeenAt: time("last_seen_at"),
    revokedAt: time("revoked_at", { nullable: true }),
  },
});

export interface ApiKeyRow {
  id: string;
  name: string;
  /** SHA-256 of the secret part, in hex. */
  secretHash: string;
  /** Words separated by blanks. */
  scopes: string;
  createdAt: number;
  lastUsedAt: number | null;
  revokedAt: number | null;
}

export const ApiKeyEntity = new EntitySchema<ApiKeyRow>({
  name: "ApiKey",
  tableName: "api_keys",
  columns: {
    id: longId("id", { primary: true }),
    name: text("name", 64),
    secretHash: longId("secret_hash"),
    scopes: id("scopes", { length: 255 }),
    createdAt: time("created_at"),
    lastUsedAt: time("last_used_at", { nullable: true }),
    revokedAt: time("revoked_at", { nullable: true }),
  },
});
