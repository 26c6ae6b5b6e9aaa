/**
 * Brings the schema up to date, and refuses to work on a wrong one. TypeORM's migrations take no lock, so ten nodes that start
 * at once would run them ten times. A named lock of the server lets one node run them, and the others find them done. The lock
 * belongs to a connection and ends with it, whatever happens to the process.
 */
import type { Logger } from "@carillon/base/node";
import { createConnection } from "mysql2/promise";
import type { DataSource, QueryRunner } from "typeorm";
import { connectionOptions, type MysqlAddress } from "./connections";
import { isStoreUnavailable } from "./errors";
import { migrationNames } from "./migrations/migrations";

const LOCK = "carillon.migrate";
const LOCK_SECONDS = 120;

/** The schema in the database is not the schema of this build. */
export class SchemaMismatch extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SchemaMismatch";
  }
}

/**
 * Runs the missing migrations. Several processes may call it at once.
 * @returns names of the migrations that this call ran
 * @throws SchemaMismatch when the schema is newer than this build, Error when MySQL cannot be reached
 */
export async function migrate(settings: MysqlAddress, logger: Logger): Promise<{ ran: string[] }> {
  const source = await connect(settings);
  const runner = source.createQueryRunner();
  try {
    await takeLock(runner);
    refuseNewer(await storedMigrations((sql) => source.query(sql)));
    const ran = (await source.runMigrations({ transaction: "none" })).map(({ name }) => name);
    if (ran.length > 0) logger.info({ migrations: ran }, "the schema was brought up to date");
    return { ran };
  } finally {
    await runner.query("DO RELEASE_LOCK(?)", [LOCK]).catch(() => {});
    await runner.release();
    await source.destroy();
  }
}

/** Runs statements one after the other, such as those that give accounts their rights. @throws Error of the server */
export async function runStatements(settings: MysqlAddress, statements: readonly string[]): Promise<void> {
  const connection = await createConnection(connectionOptions(settings)).catch(explain(settings));
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    connection.destroy();
  }
}

/** @throws SchemaMismatch that says what to do when the schema is older or newer than this build */
export async function checkSchema(settings: MysqlAddress): Promise<void> {
  const connection = await createConnection(connectionOptions(settings)).catch(explain(settings));
  try {
    const stored = await storedMigrations(async (sql) => (await connection.query(sql))[0]);
    refuseNewer(stored);
    const missing = migrationNames.filter((name) => !stored.includes(name));
    if (missing.length > 0) {
      throw new SchemaMismatch(
        `the schema in MySQL is older than this build (${missing.length} migrations are missing): run \`carillon init\``,
      );
    }
  } finally {
    connection.destroy();
  }
}

/** As `checkSchema`, but MySQL may be away when a process starts: then this logs a warning, and the process continues. */
export async function checkSchemaIfReachable(settings: MysqlAddress, logger: Logger): Promise<void> {
  await checkSchema(settings).catch((error: Error) => {
    if (!isStoreUnavailable(error)) throw error;
    logger.warn({ err: error }, "MySQL is away; the schema is not checked");
  });
}

async function connect(settings: MysqlAddress): Promise<DataSource> {
  // Only `carillon init` runs migrations: no other process pays for loading TypeORM.
  const { newDataSource } = require("./migrations/data-source") as typeof import("./migrations/data-source");
  return newDataSource(settings).initialize().catch(explain(settings));
}

/** Returns a function that throws an error of the driver again with the address that was tried. */
function explain(settings: MysqlAddress): (error: Error & { code?: string }) => never {
  return (error) => {
    const { host, port } = connectionOptions(settings);
    const message = `cannot reach MySQL at ${host}:${port}: ${error.message || error.code}`;
    throw Object.assign(new Error(message), { code: error.code });
  };
}

async function takeLock(runner: QueryRunner): Promise<void> {
  const [row] = (await runner.query("SELECT GET_LOCK(?, ?) AS taken", [LOCK, LOCK_SECONDS])) as { taken: unknown }[];
  if (Number(row?.taken) !== 1) throw new Error(`another process has been migrating for ${LOCK_SECONDS} s`);
}

async function storedMigrations(query: (sql: string) => Promise<unknown>): Promise<string[]> {
  const there = (await query(
    "SELECT COUNT(*) AS found FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'migrations'",
  )) as { found: number | string }[];
  if (Number(there[0]?.found) === 0) return [];
  const rows = (await query("SELECT name FROM migrations")) as { name: string }[];
  return rows.map(({ name }) => name);
}

function refuseNewer(stored: string[]): void {
  const unknown = stored.filter((name) => !migrationNames.includes(name));
  if (unknown.length === 0) return;
  throw new SchemaMismatch(
    `the schema in MySQL is newer than this build (it knows nothing of ${unknown.join(", ")}): use a newer build`,
  );
}
