/**
 * The rights of each role on the tables of MySQL; gateways have none. The operator has all rights in the database, because it
 * creates and changes the tables.
 *
 * Some rights concern columns: a worker must not read the hashes of passwords, nor make a user an operator.
 */
import type { RoleName } from "@carillon/base";

/** Rights by table, in the words of SQL: `SELECT`, `UPDATE (last_seen_at)`. */
export type MysqlRights = Record<string, string[]>;

const columns = (right: "SELECT" | "UPDATE", ...names: string[]) => `${right} (${names.join(", ")})`;

const READ = ["SELECT"];
const ADD = ["SELECT", "INSERT"];
const CHANGE = ["SELECT", "UPDATE"];
const STORE = ["SELECT", "INSERT", "UPDATE"];
const ALL = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/** Every process compares the schema with its build when it starts. */
const EVERY_ROLE: MysqlRights = { migrations: READ };

const OF_ROLE: Record<RoleName, MysqlRights> = {
  gateway: {},
  worker: {
    ...EVERY_ROLE,
    users: [
      columns(
        "SELECT",
        ...["id", "status", "muted_until", "deleted_at", "role", "token_version", "who_may_write", "last_seen_at"],
      ),
      columns("UPDATE", "last_seen_at"),
    ],
    devices: [
      columns("SELECT", "user_id", "device_id", "created_at", "revoked_at", "refresh_family", "last_seen_at"),
      columns("UPDATE", "last_seen_at"),
    ],
    relations: [columns("SELECT", "owner_id", "peer_id", "state", "told_seen_at")],
    conversations: READ,
    conversation_members: STORE,
    messages: READ,
    retention_cut: READ,
    archive_positions: READ,
    user_groups: READ,
    group_members: READ,
    group_stays: READ,
    outbox: READ,
  },
  archiver: {
    ...EVERY_ROLE,
    archive_positions: STORE,
    messages: [...ADD, columns("UPDATE", "recalled", "content")],
    conversations: STORE,
    conversation_members: ALL,
    group_members: READ,
    group_stays: [...READ, columns("UPDATE", "joined_seq", "left_seq")],
    outbox: ["SELECT", "DELETE"],
  },
  api: {
    ...EVERY_ROLE,
    users: STORE,
    user_names: ALL,
    user_versions: STORE,
    devices: ALL,
    api_keys: STORE,
    // Only entries older than `audit.days` are deleted; nothing changes one.
    audit_log: ["SELECT", "INSERT", "DELETE"],
    relations: STORE,
    departures: ALL,
    user_groups: STORE,
    group_members: STORE,
    group_stays: ALL,
    group_requests: ALL,
    group_invitations: ALL,
    outbox: ADD,
    broadcasts: STORE,
    conversations: [...READ, columns("UPDATE", "purged_seq")],
    conversation_members: CHANGE,
    messages: ["SELECT", "DELETE"],
    retention_cut: STORE,
    archive_positions: READ,
  },
};

export function mysqlRights(role: RoleName): MysqlRights {
  return OF_ROLE[role];
}
