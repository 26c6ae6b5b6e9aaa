import { execFile } from "node:child_process";
import path from "node:path";
import { startServers, type TestServers } from "@carillon/testkit";
import { initialise } from "../src/commands/init";

let servers: TestServers<{ nats: true; mysql: true }>;

beforeAll(async () => {
  servers = await startServers({ nats: true, mysql: true });
}, 120_000);

afterAll(() => servers.stop());

function config(url = servers.mysql.url) {
  const { server, user, password } = servers.nats;
  return {
    nats: { servers: [server], user, password, fsync: true, replicas: 1 as const, streamMegabytes: 8 },
    redis: { url: "redis://127.0.0.1:1" },
    mysql: { url, poolSize: 2 },
    accounts: {},
  };
}

test("makes streams, layout and tables once, also when three begin at the same time", async () => {
  const results = await Promise.all([1, 2, 3].map(() => initialise(config(), 3)));
  expect(results.map(({ partitions }) => partitions)).toEqual([3, 3, 3]);
  expect(results.filter(({ migrations }) => migrations.length > 0)).toHaveLength(1);
  expect(await initialise(config())).toEqual({ partitions: 3, layoutCreated: false, migrations: [] });
}, 60_000);

test("refuses another number of partitions", async () => {
  await initialise(config(), 3);
  await expect(initialise(config(), 4)).rejects.toThrow("has 3 partitions");
}, 60_000);

test("says what cannot be reached", async () => {
  await expect(initialise(config("mysql://nobody@127.0.0.1:1/none"))).rejects.toThrow("cannot reach MySQL");
}, 60_000);

/** Runs the command from its sources, as npm start runs what was built from them. */
function run(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { nats } = config();
  const env = {
    PATH: process.env["PATH"],
    CARILLON_NATS_SERVERS: nats.servers[0],
    CARILLON_NATS_USER: nats.user,
    CARILLON_NATS_PASSWORD: nats.password,
    CARILLON_NATS_STREAM_MEGABYTES: "8",
    CARILLON_MYSQL_URL: servers.mysql.url,
  };
  const main = path.join(__dirname, "..", "src", "main.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, ["--import", "tsx", main, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("the command prints what it did, as text and as JSON", async () => {
  await initialise(config(), 3);
  const text = await run(["init"]);
  expect(text).toMatchObject({ code: 0, stdout: expect.stringContaining("3 partitions"), stderr: "" });
  const json = await run(["init", "--partitions", "3", "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({ partitions: 3, layoutCreated: false, migrations: [] });
}, 60_000);

test("the command ends with 2 when it is used wrongly, with 1 and one line when it cannot do its work", async () => {
  expect(await run(["init", "--partitions", "many"])).toMatchObject({ code: 2 });
  const refused = await run(["init", "--partitions", "5"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^carillon: this cluster has 3 partitions.*\n$/);
}, 60_000);
