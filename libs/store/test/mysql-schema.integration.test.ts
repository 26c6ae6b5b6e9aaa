import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { silentLogger } from "@carillon/base/node";
import { checkSchema, MysqlStore, migrate, SchemaMismatch } from "@carillon/store";
import { startServers, type TestServers } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";
import { migrationNames } from "../src/mysql/migrations/migrations";
import { Sql } from "../src/mysql/sql";

/** The present tables, to be read by people. `WRITE_SCHEMA=1` writes the file anew. */
const SCHEMA = path.join(__dirname, "..", "schema.sql");
const SCHEMA_HEAD =
  "-- The tables after all migrations of src/mysql/migrations/tables.ts. WRITE_SCHEMA=1 npx jest --selectProjects integration -- mysql-schema writes this file.\n";

let servers: TestServers<{ mysql: true }>;
const settings = () => ({ url: servers.mysql.url, poolSize: 2 });

beforeAll(async () => {
  servers = await startServers({ mysql: true });
}, 120_000);

afterAll(() => servers.stop());

async function statement(sql: string): Promise<unknown> {
  const connection = await createConnection(servers.mysql.url);
  try {
    return (await connection.query(sql))[0];
  } finally {
    await connection.end();
  }
}

describe("the schema", () => {
  test("an empty database is refused by the processes, with what to do", async () => {
    await expect(checkSchema(settings())).rejects.toThrow(SchemaMismatch);
    await expect(checkSchema(settings())).rejects.toThrow("carillon init");
  });

  test("is made once, also when several begin at the same time", async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => migrate(settings(), silentLogger())));
    const ran = results.map((result) => result.ran.length).sort((a, b) => a - b);
    expect(ran).toEqual([0, 0, 0, 0, migrationNames.length]);
    await checkSchema(settings());
    expect((await migrate(settings(), silentLogger())).ran).toEqual([]);
  }, 60_000);

  test("schema.sql shows the tables that the migrations make", async () => {
    const names = (await statement(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'migrations' ORDER BY table_name",
    )) as { name: string }[];
    const tables: string[] = [];
    for (const { name } of names) {
      const [row] = (await statement(`SHOW CREATE TABLE ${name}`)) as { "Create Table": string }[];
      tables.push(`${row!["Create Table"].replace(/ AUTO_INCREMENT=\d+/, "")};\n`);
    }
    const text = `${SCHEMA_HEAD}\n${tables.join("\n")}`;
    if (process.env["WRITE_SCHEMA"] === "1") writeFileSync(SCHEMA, text);
    expect(readFileSync(SCHEMA, "utf8")).toBe(text);
  });

  test("one that is newer than the build is refused, also by init", async () => {
    await statement("INSERT INTO migrations (timestamp, name) VALUES (1999999999999, 'FromTheFuture1999999999999')");
    await expect(checkSchema(settings())).rejects.toThrow("FromTheFuture");
    await expect(migrate(settings(), silentLogger())).rejects.toThrow("use a newer build");
    await statement("DELETE FROM migrations WHERE name = 'FromTheFuture1999999999999'");
  });

  test("one that lacks a migration is refused", async () => {
    await statement("DELETE FROM migrations WHERE name LIKE 'CreateApiKeys%'");
    await expect(checkSchema(settings())).rejects.toThrow("1 migrations are missing");
    await statement("DROP TABLE api_keys");
    expect((await migrate(settings(), silentLogger())).ran).toEqual([expect.stringMatching(/^CreateApiKeys/)]);
  });

  test("what refers to those who deleted their accounts under an older build ends, too", async () => {
    await statement(
      "INSERT INTO users (id, folded_id, display_name, created_at, deleted_at) VALUES ('gone', 'gone', 'x', 1, 2), ('here', 'here', 'x', 1, NULL)",
    );
    await statement("DELETE FROM migrations WHERE name LIKE 'UsersDepartAgain%'");
    await migrate(settings(), silentLogger());
    expect(await statement("SELECT user_id AS userId FROM departures")).toEqual([{ userId: "gone" }]);
  });

  test("connections work with READ COMMITTED, UTC and strict mode", async () => {
    const sql = new Sql(settings(), silentLogger(), 2);
    const [row] = await sql.rows<Record<string, string>>(
      "SELECT @@tx_isolation AS i, @@time_zone AS z, @@sql_mode AS m",
    );
    expect(row).toEqual({ i: "READ-COMMITTED", z: "+00:00", m: expect.stringContaining("STRICT_ALL_TABLES") });
    await sql.close();
  });
});

test("a store can be made while MySQL is away, and works when it is there", async () => {
  await servers.mysql.kill();
  const store = await MysqlStore.connect(settings(), silentLogger());
  await expect(store.ping()).rejects.toThrow();
  await expect(store.accounts.find("alice")).rejects.toThrow();
  await servers.mysql.start();
  await store.ping();
  expect(await store.accounts.find("alice")).toBeUndefined();
  await store.close();
}, 60_000);
