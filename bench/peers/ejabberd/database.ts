/** The MariaDB of ejabberd: the tables of its package, accounts, and how much is in the archive. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { MariadbServer } from "@carillon/local";
import { until } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";

const ROWS_AT_ONCE = 1_000;
/** mod_mam stores a private message once for each of the two users. */
const ROWS_PER_MESSAGE = 2;
/** The default of `sql_pool_size`, which the bench does not change. */
const POOL_SIZE = 10;
const POOL_MS = 30_000;

/**
 * Creates the tables as the package describes them, without one index: no scenario searches the texts, which Carillon cannot
 * do either, and MariaDB takes a quarter less CPU without it.
 */
export async function makeTables(server: MariadbServer, packageRoot: string): Promise<void> {
  const schema = readFileSync(path.join(packageRoot, "usr/share/ejabberd/sql/mysql.sql"), "utf8");
  const tables = schema.replace(/^CREATE FULLTEXT INDEX .* ON archive\b.*;$/m, "");
  await withConnection(server, (connection) => connection.query(tables));
}

/** Creates accounts; existing accounts stay. */
export async function addAccounts(server: MariadbServer, userIds: string[], password: string): Promise<void> {
  await withConnection(server, async (connection) => {
    for (let at = 0; at < userIds.length; at += ROWS_AT_ONCE) {
      const rows = userIds.slice(at, at + ROWS_AT_ONCE).map((userId) => [userId, password]);
      await connection.query("INSERT IGNORE INTO users (username, password) VALUES ?", [rows]);
    }
  });
}

/** Resolves when ejabberd has opened all of its connections to the database. @throws Error when it does not in time */
export async function awaitPool(server: MariadbServer): Promise<void> {
  await withConnection(server, (connection) =>
    until(
      "ejabberd's connections to its database",
      async () => {
        const [result] = await connection.query(
          "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()",
          [server.database],
        );
        return Number((result as { n: number }[])[0]!.n) >= POOL_SIZE;
      },
      POOL_MS,
    ),
  );
}

export async function countArchived(server: MariadbServer): Promise<number> {
  const rows = await withConnection(server, async (connection) => {
    const [result] = await connection.query("SELECT COUNT(*) AS n FROM archive");
    return Number((result as { n: number }[])[0]!.n);
  });
  return rows / ROWS_PER_MESSAGE;
}

async function withConnection<T>(
  { url }: MariadbServer,
  work: (connection: Awaited<ReturnType<typeof createConnection>>) => Promise<T>,
): Promise<T> {
  const connection = await createConnection({ uri: url, multipleStatements: true });
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}
