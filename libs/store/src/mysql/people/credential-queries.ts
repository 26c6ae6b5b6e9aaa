/**
 * Checks whether a token is still valid: the one rule for every process that accepts tokens, and the data that it needs from
 * MySQL. It uses connections of its own, so that no statement that waits for a lock, and no long list, can hold up users with
 * valid tokens.
 */
import { loginIdOf } from "@carillon/base/node";
import type { ErrorName } from "@carillon/protocol";
import { asId, keyTable, type Sql } from "../sql";

/** The claims of a token that are compared. */
export interface ShownSession {
  userId: string;
  deviceId: string;
  /** Absent: another issuer made the token. */
  tokenVersion?: number | undefined;
  /** The log-in to which the token belongs; absent: any. */
  login?: string | undefined;
}

/** The stored data of a user and one of their devices. */
export interface Credentials {
  status: "normal" | "disabled" | "deleted";
  role: string;
  tokenVersion: number;
  /** Absent: the device has no row. It never logged in here, or its row was deleted after a long idle time. */
  device?: {
    revoked: boolean;
    /** The device's log-in, in the form of access tokens. */
    login: string | undefined;
  };
}

/**
 * Returns the reason why a token is void, or undefined when it is valid.
 * @param known undefined: the user does not exist
 */
export function refusalOf(shown: ShownSession, known: Credentials | undefined): ErrorName | undefined {
  if (known === undefined || known.status === "deleted") return "NOT_AUTHENTICATED";
  if (known.status === "disabled") return "USER_DISABLED";
  const { device } = known;
  const isOurs = shown.tokenVersion !== undefined;
  // Carillon signs tokens for devices that have logged in, and each of these has a row; devices of other issuers need none.
  if (isOurs && device === undefined) return "NOT_AUTHENTICATED";
  const isOlderVersion = isOurs && shown.tokenVersion !== known.tokenVersion;
  const isOlderLogin = device !== undefined && shown.login !== undefined && shown.login !== device.login;
  return isOlderVersion || isOlderLogin || device?.revoked === true ? "TOKEN_REVOKED" : undefined;
}

/** Maximum number of sessions in one statement. */
const AT_ONCE = 64;

export class CredentialQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Returns the stored data of these sessions, in their order; undefined for a user who does not exist.
   * @param deadline monotonic ms after which nobody waits for the answer
   */
  async of(
    sessions: readonly { userId: string; deviceId: string }[],
    deadline?: number,
  ): Promise<(Credentials | undefined)[]> {
    const found: (Credentials | undefined)[] = [];
    for (let at = 0; at < sessions.length; at += AT_ONCE) {
      found.push(...(await this.some(sessions.slice(at, at + AT_ONCE), deadline)));
    }
    return found;
  }

  private async some(
    sessions: readonly { userId: string; deviceId: string }[],
    deadline: number | undefined,
  ): Promise<(Credentials | undefined)[]> {
    const { table, values } = keyTable(
      ["user_id", "device_id"],
      sessions.map(({ userId, deviceId }) => [userId, deviceId]),
    );
    const rows = await this.sql.rows<CredentialRow>(
      `SELECT u.id, u.status, u.deleted_at, u.role, u.token_version, w.device_id, d.created_at, d.revoked_at,
         d.refresh_family
       FROM ${table} AS w STRAIGHT_JOIN users u ON u.id = ${asId("w.user_id")}
       LEFT JOIN devices d ON d.user_id = u.id AND d.device_id = ${asId("w.device_id")}`,
      values,
      deadline,
    );
    const byKey = new Map(rows.map((row) => [`${row.id} ${row.device_id}`, toCredentials(row)]));
    return sessions.map(({ userId, deviceId }) => byKey.get(`${userId} ${deviceId}`));
  }
}

interface CredentialRow {
  id: string;
  status: "normal" | "disabled";
  deleted_at: number | null;
  role: string;
  token_version: number;
  device_id: string;
  /** Null: the device has no row. */
  created_at: number | null;
  revoked_at: number | null;
  refresh_family: string | null;
}

function toCredentials(row: CredentialRow): Credentials {
  const { role, token_version: tokenVersion } = row;
  const user = { status: row.deleted_at === null ? row.status : ("deleted" as const), role, tokenVersion };
  if (row.created_at === null) return user;
  const login = row.refresh_family === null ? undefined : loginIdOf(row.refresh_family);
  return { ...user, device: { revoked: row.revoked_at !== null, login } };
}
