/** The audit log: what operators, API keys and the admins of groups did to others. Entries are added and, when old, deleted; never changed. */
import type { Sql } from "../sql";

export interface AuditEntry {
  /** ms since 1970. */
  at: number;
  /** `user:alice`, `key:Jx3nQ0aB7kLm`, or `shell:root` for a person at the command line. */
  who: string;
  /** The address of the caller; the name of the machine for the command line. */
  from: string;
  /** `admin.user.disable`; acts of the admins of a group begin with `group.`. */
  act: string;
  /** `user:bob`, `group:choir`, `message:p:alice:bob#7`, ...; undefined when an act failed before it had an object. */
  whom?: string | undefined;
  /** The group in which it happened to the user: `group:choir`. */
  place?: string | undefined;
  /** `ok`, or the name of the error. */
  result: string;
  /** The changed values; never a secret. */
  details?: Record<string, unknown> | undefined;
}

export interface StoredAuditEntry extends AuditEntry {
  id: number;
}

/** Conditions that all hold; those that are undefined do not count. */
export interface AuditFilter {
  who?: string | undefined;
  /** The object of the act, or the group in which it happened. */
  whom?: string | undefined;
  act?: string | undefined;
  /** ms, inclusive. */
  since?: number | undefined;
  /** ms, exclusive. */
  until?: number | undefined;
}

/** The place of an entry in the list. */
export type AuditPlace = Pick<StoredAuditEntry, "at" | "id">;

export class AuditLogQueries {
  constructor(private readonly sql: Sql) {}

  /** Adds entries, all or none. @param entries not empty */
  async add(entries: readonly AuditEntry[]): Promise<void> {
    const rows = entries.map(({ at, who, from, act, whom, place, result, details }) => [
      at,
      clipped(who),
      clipped(from),
      act,
      clipped(whom),
      clipped(place),
      result,
      details === undefined ? null : JSON.stringify(details),
    ]);
    const marks = rows.map(() => "(?, ?, ?, ?, ?, ?, ?, ?)").join(", ");
    await this.sql.run(
      `INSERT INTO audit_log (at, who, origin, act, whom, place, result, details) VALUES ${marks}`,
      rows.flat(),
    );
  }

  /** Returns entries, the newest first. @param before only entries behind this place of the list */
  async page(filter: AuditFilter, limit: number, before?: AuditPlace): Promise<StoredAuditEntry[]> {
    const { whom } = filter;
    if (whom === undefined) return this.select("1 = 1", [], filter, limit, before);
    // One list for each of the two indexes: no entry is in both.
    const lists = await Promise.all([
      this.select("whom = ?", [whom], filter, limit, before),
      this.select("place = ?", [whom], filter, limit, before),
    ]);
    return lists
      .flat()
      .sort((a, b) => b.at - a.at || b.id - a.id)
      .slice(0, limit);
  }

  /** Deletes the oldest entries from before a time, ms. @returns their number, at most `limit` */
  async deleteOlder(before: number, limit: number): Promise<number> {
    return this.sql.run("DELETE FROM audit_log WHERE at < ? ORDER BY at LIMIT ?", [before, limit]);
  }

  private async select(
    condition: string,
    values: readonly unknown[],
    { who, act, since, until }: AuditFilter,
    limit: number,
    before: AuditPlace | undefined,
  ): Promise<StoredAuditEntry[]> {
    const conditions: [sql: string, ...values: unknown[]][] = [[condition, ...values]];
    if (who !== undefined) conditions.push(["who = ?", who]);
    if (act !== undefined) conditions.push(["act = ?", act]);
    if (since !== undefined) conditions.push(["at >= ?", since]);
    if (until !== undefined) conditions.push(["at < ?", until]);
    if (before !== undefined) conditions.push(["at <= ? AND (at < ? OR id < ?)", before.at, before.at, before.id]);
    const rows = await this.sql.rows<AuditRow>(
      `SELECT id, at, who, origin, act, whom, place, result, details FROM audit_log
       WHERE ${conditions.map(([sql]) => sql).join(" AND ")} ORDER BY at DESC, id DESC LIMIT ?`,
      [...conditions.flatMap(([, ...each]) => each), limit],
    );
    return rows.map(toEntry);
  }
}

interface AuditRow {
  id: number;
  at: number;
  who: string;
  origin: string;
  act: string;
  whom: string | null;
  place: string | null;
  result: string;
  details: string | null;
}

function toEntry({ id, at, who, origin, act, whom, place, result, details }: AuditRow): StoredAuditEntry {
  return {
    ...{ id, at, who, from: origin, act },
    ...(whom === null ? {} : { whom }),
    ...(place === null ? {} : { place }),
    result,
    ...(details === null ? {} : { details: JSON.parse(details) as Record<string, unknown> }),
  };
}

/** Width of the columns; a caller may have named something of any length that does not exist. */
const MOST_CHARACTERS = 160;

function clipped(text: string | undefined): string | null {
  return text === undefined ? null : text.slice(0, MOST_CHARACTERS);
}
