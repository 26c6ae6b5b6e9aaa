/** Keys of other systems; what they may do is checked by the api. */
import type { Sql } from "../sql";

/** A key as operators see it. */
export interface KeyRecord {
  id: string;
  name: string;
  scopes: string[];
  createdAt: number;
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;
}

export class KeyQueries {
  /** @param checks where keys that are shown are looked up */
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

  /** All keys, the oldest first; those that were revoked too. */
  async list(): Promise<KeyRecord[]> {
    const rows = await this.sql.rows<KeyRow>(`SELECT ${COLUMNS} FROM api_keys ORDER BY created_at, id`);
    return rows.map(toRecord);
  }

  /** Keys by id, behind `after`; those that were revoked too. */
  async page(limit: number, after: string): Promise<KeyRecord[]> {
    const sql = `SELECT ${COLUMNS} FROM api_keys WHERE id > ? ORDER BY id LIMIT ?`;
    return (await this.sql.rows<KeyRow>(sql, [after, limit])).map(toRecord);
  }

  /** The key with its digest; undefined when there is none. */
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

  /** @returns false when there is no such key; one that was revoked before stays so */
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
