/** A process that does not fit its cluster says why and what to do, and does not start. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Bus } from "@carillon/bus";
import { runProgram, startTestCluster, type TestCluster } from "@carillon/testkit";
import { Kvm } from "@nats-io/kv";
import { createPool, type Pool } from "mysql2/promise";

const ROLES = ["gateway", "worker", "archiver", "api"] as const;
const root = path.join(__dirname, "..", "..");

let cluster: TestCluster;
let bus: Bus;
let pool: Pool;
beforeAll(async () => {
  cluster = await startTestCluster({ counts: { gateway: 1, worker: 1, archiver: 1, api: 1 } });
  bus = await cluster.bus();
  pool = createPool({ uri: cluster.info().mysql.url });
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await cluster?.stop();
}, 60_000);

/** Starts one more process of a role in the cluster; resolves when it has ended, with what it wrote. */
async function start(
  role: (typeof ROLES)[number],
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await runProgram([path.join(root, "apps", role, "dist", "main.js")], {
    env: {
      PATH: process.env["PATH"],
      CARILLON_CONFIG: path.join(cluster.running.directory, "carillon.json"),
      CARILLON_NODE_ID: `${role}-extra`,
      CARILLON_GATEWAY_TCP_PORT: "0",
      CARILLON_GATEWAY_WS_PORT: "0",
      CARILLON_API_PORT: "0",
      ...env,
    },
  });
  return { code, text: stdout + stderr };
}

describe("a cluster of another format", () => {
  let restore: () => Promise<unknown>;
  beforeAll(async () => {
    const bucket = await new Kvm(bus.js).open("cluster");
    const layout = (await bucket.get("layout"))!.json<{ format: number }>();
    await bucket.put("layout", JSON.stringify({ ...layout, format: layout.format + 7 }));
    restore = () => bucket.put("layout", JSON.stringify(layout));
  });
  afterAll(() => restore());

  test.each(ROLES)("%s refuses to start", async (role) => {
    const { code, text } = await start(role);
    expect(code).toBe(1);
    expect(text).toContain("this cluster speaks format 8, this build format 1: use a matching build");
  });
});

describe("tables newer than the program", () => {
  beforeAll(() => pool.query("INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture')"));
  afterAll(() => pool.query("DELETE FROM migrations WHERE timestamp = 9999999999999"));

  // The gateway never talks to MySQL.
  test.each(ROLES.slice(1))("%s refuses to start", async (role) => {
    const { code, text } = await start(role);
    expect(code).toBe(1);
    expect(text).toMatch(/newer/);
  });
});

describe("tables older than the program", () => {
  let newest: { timestamp: string; name: string };
  beforeAll(async () => {
    const [rows] = await pool.query("SELECT timestamp, name FROM migrations ORDER BY timestamp DESC LIMIT 1");
    newest = (rows as (typeof newest)[])[0]!;
    await pool.query("DELETE FROM migrations WHERE timestamp = ?", [newest.timestamp]);
  });
  afterAll(() => pool.query("INSERT INTO migrations (timestamp, name) VALUES (?, ?)", [newest.timestamp, newest.name]));

  test.each(ROLES.slice(1))("%s refuses to start and tells what to run", async (role) => {
    const { code, text } = await start(role);
    expect(code).toBe(1);
    expect(text).toMatch(/carillon init/);
  });
});

test.each(ROLES)("%s refuses to start in production without a secret of its own", async (role) => {
  const empty = path.join(cluster.running.directory, "empty.json");
  writeFileSync(empty, "{}");
  const { code, text } = await start(role, { CARILLON_CONFIG: empty, CARILLON_MODE: "production" });
  expect(code).toBe(1);
  expect(text).toMatch(/auth\.secret/);
});

test.each(ROLES)("%s refuses to start with a host that is none, and names the setting", async (role) => {
  const variable = `CARILLON_${role.toUpperCase()}_HOST`;
  for (const host of ["", "[::1]", "wss://chat.example.org", "chat.example.org:443"]) {
    const { code, text } = await start(role, { [variable]: host });
    expect([host, code]).toEqual([host, 1]);
    expect(text).toContain(`${role}.host: ${JSON.stringify(host)} is no address and no host name`);
  }
});

test.each([
  ["every address, and no name for clients", { CARILLON_GATEWAY_HOST: "0.0.0.0" }, "gateway.host: 0.0.0.0 is every"],
  ["every address of IPv6", { CARILLON_GATEWAY_HOST: "::" }, "gateway.host: :: is every"],
  ["a name with a port", { CARILLON_GATEWAY_ADVERTISE_HOST: "chat.example.org:443" }, "gateway.advertiseHost: "],
  ["a URL", { CARILLON_GATEWAY_ADVERTISE_HOST: "wss://chat.example.org" }, "gateway.advertiseHost: "],
  ["nothing", { CARILLON_GATEWAY_ADVERTISE_HOST: "" }, "gateway.advertiseHost: "],
])("a gateway refuses to tell clients %s", async (_name, env, message) => {
  const { code, text } = await start("gateway", env);
  expect(code).toBe(1);
  expect(text).toContain(message);
});
