/** API keys of other systems; the api checks their rights. */
import type { Sql } from "../sql";

/** A key for operators. */
export interface KeyRecord {
  id: string;
  name: string;
  scopes: string[];
  createdAt: number;
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;
}

export class KeyQueries {
  /** @param checks the connections for looking up shown keys */
  constructor(
    private readonly sql: Sql,
    private readonly checks: Sql,
  ) {}

  async create(key: {
    id: string;
    name: string;
    secretHash: string;
    scopes: readonly string[];
    now: number;
  }): Promise<void> {
    const { id, name, secretHash, scopes, now } = key;
    await this.sql.run("INSERT INTO api_keys (id, name, secret_hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)", [
      id,
      name,
      secretHash,
      scopes.join(" "),
      now,
    ]);
  }

  /** Returns all keys, the oldest first, including revoked keys. */
  async list(): Promise<KeyRecord[]> {
    const rows = await this.sql.rows<KeyRow>(`SELECT ${COLUMNS} FROM api_keys ORDER BY created_at, id`);
    return rows.map(toRecord);
  }

  /** Returns keys by id, after `after`, including revoked keys. */
  async page(limit: number, after: string): Promise<KeyRecord[]> {
    const sql = `SELECT ${COLUMNS} FROM api_keys WHERE id > ? ORDER BY id LIMIT ?`;
    return (await this.sql.rows<KeyRow>(sql, [after, limit])).map(toRecord);
  }

  /** Returns a key with its digest; undefined when it does not exist. */
  async find(id: string): Promise<(KeyRecord & { secretHash: string }) | undefined> {
    const [row] = await this.checks.rows<KeyRow & { secret_hash: string }>(
      `SELECT ${COLUMNS}, secret_hash FROM api_keys WHERE id = ?`,
      [id],
    );
    return row && { ...toRecord(row), secretHash: row.secret_hash };
  }

  async used(id: string, now: number): Promise<void> {
    await this.sql.run("UPDATE api_keys SET last_used_at = ? WHERE id = ?", [now, id]);
  }

  /** @returns false when the key does not exist; a revoked key stays revoked */
  async revoke(id: string, now: number): Promise<boolean> {
    const found = await this.sql.run("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?", [
      now,
      id,
    ]);
    return found > 0;
  }
}

interface KeyRow {
  id: string;
  name: string;
  scopes: string;
  created_at: number;
  last_used_at: number | null;
  revoked_at: number | null;
}

const COLUMNS = "id, name, scopes, created_at, last_used_at, revoked_at";

function toRecord({ id, name, scopes, created_at, last_used_at, revoked_at }: KeyRow): KeyRecord {
  return {
    id,
    name,
    scopes: scopes.split(" ").filter((scope) => scope !== ""),
    createdAt: created_at,
    lastUsedAt: last_used_at ?? undefined,
    revokedAt: revoked_at ?? undefined,
  };
}
