/** The pools: what waits for locks, what waits for a connection, and whom that holds up. */
import { silentLogger, withinDeadline } from "@carillon/base/node";
import { checkSchema, isStoreUnavailable, MysqlStore, migrate } from "@carillon/store";
import { createConnection } from "mysql2/promise";
import { Sql } from "../src/mysql/sql";
import { type OpenStore, openStore } from "./open-store";

let opened: OpenStore;
const POOL = 4;

beforeAll(async () => {
  opened = await openStore(POOL);
  for (const userId of ["alice", "bob"]) {
    await opened.store.users.create({ userId, displayName: userId, passwordHash: "x", now: 1 });
  }
}, 120_000);

afterAll(() => opened.close());

const address = () => ({ url: opened.servers.mysql.url });

test("64 transactions that wait for a lock hold up neither plain reading nor the checks of tokens", async () => {
  const { store } = opened;
  const locker = await createConnection(address().url);
  await locker.query("START TRANSACTION");
  await locker.query("SELECT id FROM users WHERE id = 'alice' FOR UPDATE");
  const device = { deviceId: "d", platform: "web" };
  const refresh = { family: "f", hash: "h", expiresAt: 1 };
  const waiting = Array.from({ length: 64 }, () => store.accounts.signIn("alice", device, refresh, 1));
  const settled = Promise.allSettled(waiting);
  let isOver = false;
  void settled.then(() => {
    isOver = true;
  });
  for (let i = 0; i < 20; i++) {
    expect((await store.accounts.find("bob"))?.userId).toBe("bob");
    expect(await store.credentials.of([{ userId: "bob", deviceId: "d" }])).toHaveLength(1);
    expect(await store.keys.find("none")).toBeUndefined();
  }
  expect(isOver).toBe(false);
  await locker.query("COMMIT");
  await locker.end();
  expect((await settled).every(({ status }) => status === "fulfilled")).toBe(true);
}, 60_000);

test("more than a short queue is refused as unavailable, and all the others are done", async () => {
  const sql = new Sql(address(), silentLogger(), 1);
  const results = await Promise.allSettled(Array.from({ length: 300 }, () => sql.rows("SELECT SLEEP(0.005)")));
  const refused = results.filter((result) => result.status === "rejected");
  expect(refused).toHaveLength(300 - 1 - 96);
  expect(refused.every((result) => isStoreUnavailable((result as PromiseRejectedResult).reason))).toBe(true);
  await sql.close();
});

test("a statement whose asker has gone is not run", async () => {
  const sql = new Sql(address(), silentLogger(), 1);
  const long = sql.rows("SELECT SLEEP(0.3)");
  const soon = performance.now() + 100;
  const outcomes = await Promise.allSettled([
    withinDeadline(soon, () => sql.run("UPDATE users SET display_name = 'gone' WHERE id = 'bob'")),
    withinDeadline(soon, () => sql.transaction((inside) => inside.rows("SELECT 1"))),
    sql.rows("SELECT 1", [], soon),
    withinDeadline(performance.now() + 10_000, () => sql.rows("SELECT 1")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "fulfilled"]);
  await long;
  expect((await opened.store.users.record("bob"))?.displayName).toBe("bob");
  await sql.close();
});

test("ssl in the address is heard by every path: a server that cannot encrypt is not talked to", async () => {
  const encrypted = { url: `${address().url}?ssl=verify`, poolSize: POOL };
  const refused = /secure connection|SSL/i;
  await expect(checkSchema(encrypted)).rejects.toThrow(refused);
  await expect(migrate(encrypted, silentLogger())).rejects.toThrow(refused);
  const store = await MysqlStore.connect(encrypted, silentLogger());
  await expect(store.ping()).rejects.toThrow(refused);
  await expect(store.accounts.find("alice")).rejects.toThrow(refused);
  await expect(store.credentials.of([{ userId: "alice", deviceId: "d" }])).rejects.toThrow(refused);
  await store.close();
});
