/**
 * A pool of connections for short statements with a deadline. A connection whose answer is overdue is destroyed, because its
 * late answer would be taken for the answer to the next question.
 *
 * Work waits for a connection in the queue of an admission, and never inside the driver. That queue has tens of places, checks
 * the deadline of the question to which the statement belongs, and refuses with BUSY when it is full. A queue of thousands in
 * the pool would serve askers that have gone, for half a minute after the last of them.
 *
 * Statements that change rows may wait for locks that another transaction holds. So they get at most three quarters of the
 * connections: plain reading, which waits for no lock, always finds a connection.
 */
import { Admission, type Asker } from "@carillon/base";
import { currentDeadline, type Logger } from "@carillon/base/node";
import { limits } from "@carillon/protocol";
import { createPool, type Pool, type PoolConnection, type ResultSetHeader } from "mysql2/promise";
import { connectionOptions, type MysqlAddress } from "./connections";
import { isDeadlock, isQueryTimeout } from "./errors";

/** Maximum time for the answer to one statement, ms. */
const ANSWER_MS = 10_000;

/** Maximum number of statements and transactions that wait for a connection. */
const MOST_WAITING = 96;
/** Share of the connections for statements that change rows. */
const WRITERS_SHARE = 0.75;
/** Longest wait for a connection, ms: as long as for an answer. */
const WAIT_MS = 10_000;

/** The key under which all changing statements count together. */
const writer = (): Asker => ({ key: "writer", deadline: currentDeadline() });

const DEADLOCK_TRIES = 5;

/**
 * Longest wait for a lock: shorter than for an answer, because the server keeps waiting for a connection that was given up, with
 * all its locks.
 */
const LOCK_WAIT_SECONDS = 8;

/** First statements of every connection. MariaDB 10.11 has no other way to set the isolation that MySQL also has. */
const SESSION = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', time_zone = '+00:00'",
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  `SET SESSION innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}`,
];

/** The database's clock in ms since 1970, as an expression. */
export const DATABASE_NOW = "CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED)";

/**
 * Reads a time that a user chose from a BIGINT. The driver returns a value above 2^53 as text, and such a value, stored before
 * times were limited, must not reach a client.
 */
export function timeOf(stored: number | string): number {
  return Math.min(Number(stored), limits.maxTimeMs);
}

/** Reads the database's clock, ms since 1970. */
export async function databaseTime(statements: Statements): Promise<number> {
  return (await statements.rows<{ now: number }>(`SELECT ${DATABASE_NOW} AS now`))[0]!.now;
}

/** Values for the question marks; a list becomes (a, b, ...). */
export type Values = readonly unknown[];

/**
 * Makes a table of keys to join with: `STRAIGHT_JOIN` looks up each key, in this order. For lists like (a AND b) OR (c AND d)
 * the optimizer needs more than linear time (1,000 pairs: 0.7 s on MariaDB 10.11), and for row lists it finds no index.
 * @param columns their names @param rows not empty
 */
export function keyTable(columns: readonly string[], rows: readonly Values[]): { table: string; values: unknown[] } {
  const first = `SELECT ${columns.map((name) => `? AS ${name}`).join(", ")}`;
  const other = ` UNION ALL SELECT ${columns.map(() => "?").join(", ")}`;
  return { table: `(${first}${other.repeat(rows.length - 1)})`, values: rows.flat() };
}

/** An id in such a table: the text of a statement is utf8mb4, and a comparison with utf8mb4 would use no index over ids. */
export const asId = (column: string) => `CONVERT(${column} USING ascii) COLLATE ascii_bin`;

/** Statements outside or inside a transaction. */
export interface Statements {
  /** Returns the rows of a SELECT. */
  rows<T>(sql: string, values?: Values): Promise<T[]>;
  /** @returns number of matched rows (also when they had these values already) */
  run(sql: string, values?: Values): Promise<number>;
}

export class Sql implements Statements {
  private readonly pool: Pool;
  private readonly admission: Admission;

  /**
   * Opens no connection yet.
   * @param connections maximum number
   */
  constructor(settings: MysqlAddress, logger: Logger, connections: number) {
    this.admission = new Admission({
      atOnce: connections,
      waiting: MOST_WAITING,
      perKey: {
        atOnce: Math.max(1, Math.floor(connections * WRITERS_SHARE)),
        waiting: Math.floor(MOST_WAITING * WRITERS_SHARE),
      },
      patienceMs: WAIT_MS,
      monotonic: () => performance.now(),
    });
    this.pool = createPool({
      ...connectionOptions(settings),
      connectionLimit: connections,
      supportBigNumbers: true,
    });
    this.pool.pool.on("connection", (connection) => {
      for (const sql of SESSION) {
        connection.query(sql, (err: unknown) => {
          if (!err) return;
          logger.error({ err }, "a connection to MySQL cannot be set up");
          connection.destroy();
        });
      }
    });
  }

  /** @param deadline monotonic ms after which nobody waits for the rows; default: the deadline of the question being answered */
  async rows<T>(sql: string, values: Values = [], deadline = currentDeadline()): Promise<T[]> {
    return this.withConnection((connection) => rowsOf<T>(connection, sql, values), { deadline });
  }

  async run(sql: string, values: Values = []): Promise<number> {
    return this.withConnection((connection) => runOn(connection, sql, values), writer());
  }

  /**
   * Runs `work` in a transaction, and again when it was the victim of a deadlock.
   * After an error of the commit it is unknown whether the commit happened.
   */
  async transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.withConnection((connection) => inTransaction(connection, work), writer());
      } catch (error) {
        if (!isDeadlock(error) || attempt === DEADLOCK_TRIES) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** @throws Overloaded, Abandoned: no statement was sent to MySQL */
  private withConnection<T>(work: (connection: PoolConnection) => Promise<T>, asker: Asker): Promise<T> {
    return this.admission.run(() => this.onConnection(work), asker);
  }

  private async onConnection<T>(work: (connection: PoolConnection) => Promise<T>): Promise<T> {
    const connection = await this.pool.getConnection();
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      if (isQueryTimeout(error)) connection.destroy();
      else connection.release();
      throw error;
    }
  }
}

async function inTransaction<T>(connection: PoolConnection, work: (statements: Statements) => Promise<T>): Promise<T> {
  await runOn(connection, "START TRANSACTION", []);
  try {
    const result = await work({
      rows: (sql, values = []) => rowsOf(connection, sql, values),
      run: (sql, values = []) => runOn(connection, sql, values),
    });
    await runOn(connection, "COMMIT", []);
    return result;
  } catch (error) {
    if (isQueryTimeout(error)) throw error;
    // A connection that cannot even roll back must not go back to the pool with an open transaction.
    await runOn(connection, "ROLLBACK", []).catch(() => connection.destroy());
    throw error;
  }
}

async function rowsOf<T>(connection: PoolConnection, sql: string, values: Values): Promise<T[]> {
  const [rows] = await connection.query({ sql, timeout: ANSWER_MS }, [...values]);
  return rows as T[];
}

async function runOn(connection: PoolConnection, sql: string, values: Values): Promise<number> {
  const [result] = await connection.query({ sql, timeout: ANSWER_MS }, [...values]);
  return (result as ResultSetHeader).affectedRows;
}
