/** Each process of a cluster logs in to the stores with the account of its role, also in a data directory of an earlier version. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { accountOf, type RoleName, uuidv7 } from "@carillon/base";
import { type ClusterOptions, findFreePortBlock, type RunningCluster, startCluster } from "@carillon/local";
import { Command } from "@carillon/protocol";
import { peopleAt, until } from "@carillon/testkit";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { runCarillon } from "./fixtures/run-carillon";

let directory: string;
let running: RunningCluster;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-power-"));
});

afterAll(async () => {
  await running.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const options: ClusterOptions = {
    directory,
    basePort: await findFreePortBlock(50),
    counts: { gateway: 1, worker: 1, archiver: 1, api: 1 },
    small: true,
    guardServers: true,
  };
  running = await startCluster(options);
}

interface Connection {
  name?: string;
  authorized_user?: string;
}

/** Accounts by the name of the connection, as NATS reports them. */
async function accountsAtNats(): Promise<Record<string, string>> {
  const answer = await fetch(`${running.servers.nats!.monitor}/connz?auth=1`);
  const { connections } = (await answer.json()) as { connections: Connection[] };
  return Object.fromEntries(connections.map(({ name, authorized_user }) => [name!, authorized_user!]));
}

/** Names of the accounts that are logged in, besides the administrator who asks. */
async function accountsAtRedis(): Promise<string[]> {
  const redis = new Redis(running.info().redis.url);
  const list = (await redis.client("LIST")) as string;
  redis.disconnect();
  const users = [...list.matchAll(/ user=(\S+)/g)].map(([, user]) => user!);
  return [...new Set(users)].filter((user) => user !== "default").sort();
}

async function accountsAtMysql(): Promise<string[]> {
  const connection = await createConnection(running.info().mysql.url);
  const [rows] = await connection.query(
    "SELECT DISTINCT user FROM information_schema.processlist WHERE user LIKE '%-%'",
  );
  connection.destroy();
  return (rows as { user: string }[]).map(({ user }) => user).sort();
}

const names = (...roles: RoleName[]) => roles.map(accountOf).sort();

async function expectOwnAccounts(): Promise<void> {
  expect(await accountsAtNats()).toEqual({
    "gateway-1": "carillon-gateway",
    "worker-1": "carillon-worker",
    "archiver-1": "carillon-archiver",
    "api-1": "carillon-api",
  });
  expect(await accountsAtRedis()).toEqual(names("worker", "api"));
  await until("each role that uses MySQL is connected", async () => (await accountsAtMysql()).length === 3);
  expect(await accountsAtMysql()).toEqual(names("worker", "archiver", "api"));
}

async function chat(): Promise<void> {
  const { person, online } = peopleAt(() => running.info().api);
  const [alice, bob] = [await person("alice"), await person("bob")];
  const [from, to] = [await online(alice, "tcp"), await online(bob, "ws")];
  const message = { clientMsgId: uuidv7(Date.now()), to: `u:${bob.userId}`, contentType: "text", content: "hello" };
  expect(await from.request(Command.SEND, message)).toMatchObject({ command: Command.SENT });
  await to.until("the message", () => to.events.length === 1);
  for (const client of [from, to]) client.close();
}

test("every process has the account of its role, and the command line the operator's", async () => {
  await start();
  await expectOwnAccounts();
  await chat();
  const settings = JSON.parse(readFileSync(path.join(directory, "carillon.json"), "utf8"));
  expect(Object.keys(settings.accounts)).toEqual(["gateway", "worker", "archiver", "api", "operator"]);
  for (const file of ["carillon.json", "secrets.json"]) {
    expect(statSync(path.join(directory, file)).mode & 0o077).toBe(0);
  }
  const { document } = await runCarillon({ running }, "doctor");
  expect(document.checks).toContainEqual({ name: "accounts", result: "ok", text: "one for each role" });
}, 180_000);

test("a data directory without accounts gets them at the next start", async () => {
  await running.stop();
  const file = path.join(directory, "secrets.json");
  const { accounts: _, ...before } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify(before));
  await start();
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
    ...before,
    accounts: { operator: expect.any(String) },
  });
  await expectOwnAccounts();
  await chat();
}, 180_000);
