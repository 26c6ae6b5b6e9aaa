/**
 * An administrator applies what `carillon init --print-grants` prints to servers that know nothing of Carillon's accounts, as the
 * output says. Then each role tries, with its own account, what it must not be able to do.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { AccountRole, RoleName } from "@carillon/base";
import { runProgram, startServers, type TestServers, until } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";
import type { Grants } from "../src/setup/grants";
import { FORBIDDEN, FORBIDDEN_TO_OPERATOR } from "./fixtures/forbidden";
import { MysqlAccount, NatsAccount, RedisAccount } from "./fixtures/stores";

const PARTITIONS = "2";
const ROLES = Object.keys(FORBIDDEN) as RoleName[];

let servers: TestServers<{ nats: true; redis: true; mysql: true }>;
let grants: Grants;

beforeAll(async () => {
  servers = await startServers({ nats: true, redis: true, mysql: true });
  grants = JSON.parse((await run(["init", "--print-grants", "--partitions", PARTITIONS, "--json"])).stdout);
  await Promise.all([applyToNats(), applyToRedis(), applyToMysql()]);
  const made = await run(["init", "--partitions", PARTITIONS], accountVariables());
  expect(made).toMatchObject({ code: 0, stderr: "" });
}, 180_000);

afterAll(() => servers.stop());

/** Runs the command from its sources. */
function run(args: string[], variables: Record<string, string> = {}) {
  const env = {
    PATH: process.env["PATH"],
    CARILLON_NATS_SERVERS: servers.nats.server,
    CARILLON_NATS_STREAM_MEGABYTES: "8",
    CARILLON_REDIS_URL: `redis://127.0.0.1:${servers.redis.port}`,
    CARILLON_MYSQL_URL: `mysql://127.0.0.1:${servers.mysql.port}/carillon`,
    ...variables,
  };
  const main = path.join(__dirname, "..", "src", "main.ts");
  return runProgram(["--import", "tsx", main, ...args], { env });
}

function accountVariables(): Record<string, string> {
  const entries = Object.entries(grants.accounts);
  return Object.fromEntries(entries.map(([role, password]) => [`CARILLON_ACCOUNTS_${role.toUpperCase()}`, password]));
}

/** The whole block of accounts is replaced, so the administrator's own account is gone as well. */
async function applyToNats(): Promise<void> {
  const file = path.join(servers.nats.directory, "nats.conf");
  writeFileSync(path.join(servers.nats.directory, "carillon-accounts.conf"), grants.nats.join("\n"));
  const text = readFileSync(file, "utf8");
  const replaced = text.replace(/^authorization \{[\s\S]*?^\}/m, 'include "carillon-accounts.conf"');
  expect(replaced).not.toBe(text);
  writeFileSync(file, replaced);
  process.kill(servers.nats.pid!, "SIGHUP");
  await until("NATS knows the accounts", () =>
    NatsAccount.open(servers.nats.port, "operator", grants.accounts.operator).then(
      async (account) => {
        await account.close();
        return true;
      },
      () => false,
    ),
  );
}

async function applyToRedis(): Promise<void> {
  const file = path.join(servers.redis.directory, "redis.conf");
  writeFileSync(file, `${readFileSync(file, "utf8")}\n${grants.redis.join("\n")}\n`);
  await servers.redis.restart();
}

async function applyToMysql(): Promise<void> {
  const { directory, password } = servers.mysql;
  const [, socketPath] = /^socket = (.+)$/m.exec(readFileSync(path.join(directory, "mariadb.cnf"), "utf8"))!;
  const root = await createConnection({ user: "root", password, socketPath: socketPath!, multipleStatements: true });
  await root.query(grants.mysql.join("\n"));
  await root.end();
}

/** The acts that a server allowed. */
async function allowed<T>(acts: readonly T[], refuses: (act: T) => Promise<boolean>): Promise<T[]> {
  const found: T[] = [];
  for (const act of acts) if (!(await refuses(act))) found.push(act);
  return found;
}

const natsOf = (role: AccountRole) => NatsAccount.open(servers.nats.port, role, grants.accounts[role]);
const redisOf = (role: AccountRole) => RedisAccount.open(servers.redis.port, role, grants.accounts[role]);
const mysqlOf = (role: AccountRole) => new MysqlAccount(servers.mysql.port, role, grants.accounts[role]);

describe.each(ROLES)("%s", (role) => {
  const { publish, subscribe, redis, mysql } = FORBIDDEN[role];

  test("NATS refuses every subject that is not the role's", async () => {
    const account = await natsOf(role);
    expect(await allowed(publish, (subject) => account.refusesPublish(subject))).toEqual([]);
    expect(await allowed(subscribe, (subject) => account.refusesSubscribe(subject))).toEqual([]);
    await account.close();
  });

  test("NATS allows what every role does, so a refusal means something", async () => {
    const account = await natsOf(role);
    const own = role === "worker" ? "logic" : role;
    expect(await account.refusesPublish("$JS.API.STREAM.INFO.KV_nodes")).toBe(false);
    expect(await account.refusesPublish(`im.hb.${own}`)).toBe(false);
    expect(await account.refusesSubscribe(`im.ctl.${own}.${role}-1`)).toBe(false);
    await account.close();
  });

  test("Redis refuses other keys and commands", async () => {
    if (redis === undefined) return expect(redisOf(role)).rejects.toThrow(/WRONGPASS|Connection is closed/);
    const account = await redisOf(role);
    expect(await allowed(redis, (command) => account.refuses(command))).toEqual([]);
    expect(await account.refuses(["HGETALL", "{u:alice}:head"])).toBe(false);
    account.close();
  });

  test("MySQL refuses other tables, columns and statements", async () => {
    if (mysql === undefined) return expect(await mysqlOf(role).refuses("SELECT 1")).toBe(true);
    const account = mysqlOf(role);
    expect(await allowed(mysql, (statement) => account.refuses(statement))).toEqual([]);
    expect(await account.try("SELECT name FROM migrations")).toBeUndefined();
  });
});

test("the operator may do everything with Carillon's data, and nothing to the servers", async () => {
  const [nats, redis, mysql] = [await natsOf("operator"), await redisOf("operator"), mysqlOf("operator")];
  expect(await nats.refusesPublish("$JS.API.STREAM.INFO.DEAD")).toBe(false);
  expect(await mysql.try("CREATE TABLE other (id INT)")).toBeUndefined();
  expect(await mysql.try("DROP TABLE other")).toBeUndefined();
  expect(await allowed(FORBIDDEN_TO_OPERATOR.redis, (command) => redis.refuses(command))).toEqual([]);
  expect(await allowed(FORBIDDEN_TO_OPERATOR.mysql, (statement) => mysql.refuses(statement))).toEqual([]);
  await nats.close();
  redis.close();
});

test("the passwords of the settings stay, and the text says where each part belongs", async () => {
  const again = await run(["init", "--print-grants", "--partitions", PARTITIONS, "--json"], accountVariables());
  expect(JSON.parse(again.stdout)).toEqual(grants);
  const { stdout } = await run(["init", "--print-grants"], accountVariables());
  for (const part of [grants.nats, grants.redis, grants.mysql]) expect(stdout).toContain(part.join("\n"));
  for (const place of ["carillon-accounts.conf", "ACL LOAD", "carillon init"]) expect(stdout).toContain(place);
});
