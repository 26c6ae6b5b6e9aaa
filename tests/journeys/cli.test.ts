/** The carillon command against a real cluster: every command, the shape of its JSON, its exit codes. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { randomId } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Ran, RawClient, runProgram, startTestCluster, type TestCluster } from "@carillon/testkit";

let cluster: TestCluster;
let passwordFile: string;
beforeAll(async () => {
  // A draining gateway keeps its devices until all of a test has looked at them, on a busy machine, too.
  cluster = await startTestCluster({ env: { CARILLON_GATEWAY_DRAIN_SECONDS: "60" } });
  passwordFile = path.join(cluster.running.directory, "password");
  writeFileSync(passwordFile, "a password for the tests\n");
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const root = path.join(__dirname, "..", "..");

/** Runs the built command. @param input lines for its standard input */
function carillon(args: string[], input = "", env: Record<string, string> = {}): Promise<Ran> {
  const program = path.join(root, "scripts", "carillon.mjs");
  const cwd = cluster.running.directory;
  return runProgram([program, ...args], { cwd, env: { PATH: process.env["PATH"], ...env }, input });
}

const here = () => ["--data", cluster.running.directory];

async function json(...args: string[]) {
  const ran = await carillon([...args, "--json", ...here()]);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout.trimEnd()).not.toContain("\n");
  return JSON.parse(ran.stdout);
}

test("nodes: role, state, addresses, load of each; as a table, too", async () => {
  const { nodes } = await json("nodes");
  expect(nodes.map(({ role, nodeId, state }: Record<string, string>) => [role, nodeId, state])).toEqual([
    ["api", "api-1", "up"],
    ["archiver", "archiver-1", "up"],
    ["gateway", "gateway-1", "up"],
    ["gateway", "gateway-2", "up"],
    ["worker", "worker-1", "up"],
    ["worker", "worker-2", "up"],
  ]);
  expect(nodes[2]).toMatchObject({ addresses: { ws: cluster.info().gateways[0]!.ws }, connections: 0 });
  const text = await carillon(["nodes"], "", { CARILLON_DATA: cluster.running.directory });
  expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/gateway +gateway-2 +up +\S+ +ws:/) });
  const watched = await carillon(["nodes", "watch", "--times", "2", "--json", ...here()]);
  expect(
    watched.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).nodes.length),
  ).toEqual([6, 6]);
});

test("ring: shares that make a whole, and all gateways see the same", async () => {
  const ring = await json("ring", "--diff");
  expect(ring.gateways.reduce((sum: number, { share }: { share: number }) => sum + share, 0)).toBeCloseTo(1);
  expect(ring).toMatchObject({ same: true, fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/) });
  expect(ring.seen).toEqual(
    ["gateway-1", "gateway-2"].map((nodeId) => ({ nodeId, fingerprint: ring.fingerprint, same: true })),
  );
  expect(await json("ring")).not.toHaveProperty("seen");
});

test("sessions and locate: the devices of a user, where they belong", async () => {
  const alice = await cluster.person("alice");
  const client = await cluster.online(alice, "tcp");
  const gateway = (await cluster.route(alice))[0]!.gatewayId;
  const { sessions } = await json("sessions", alice.userId);
  expect(sessions).toMatchObject([{ deviceId: "device-1", platform: "other", gateway, live: true }]);
  expect(await json("locate", alice.userId)).toMatchObject({ choice: gateway, sessions, differences: [] });
  client.close();
  expect((await carillon(["locate", "nobody", ...here()])).stdout).toContain("no device is connected");
});

test("locate: a device that came by fallback, and the reason why it is not at the ring's choice", async () => {
  const alice = await cluster.person("alice");
  const [choice, next] = await cluster.route(alice);
  const client = await RawClient.open("tcp", next!);
  await client.connect({ token: alice.token, deviceId: alice.deviceId, fallback: true });
  const { differences } = await json("locate", alice.userId);
  const why = `${next!.gatewayId} took the device as fallback when ${choice!.gatewayId} did not answer`;
  expect(differences).toEqual([{ deviceId: alice.deviceId, why: expect.stringContaining(why) }]);
  client.close();
});

test("ring --diff: a gateway that does not answer is shown, and the exit code says so", async () => {
  const { pid } = cluster.info().gateways[1]!;
  process.kill(pid, "SIGSTOP");
  const ran = await carillon(["ring", "--diff", "--json", ...here()]).finally(() => process.kill(pid, "SIGCONT"));
  expect(ran.code).toBe(1);
  const { same, seen } = JSON.parse(ran.stdout);
  expect(same).toBe(false);
  expect(seen[1]).toEqual({ nodeId: "gateway-2", fingerprint: null, same: false });
});

test("partitions: owner, queue, log, archive", async () => {
  const { partitions } = await json("partitions");
  expect(partitions).toHaveLength(2);
  for (const partition of partitions) {
    expect(partition).toMatchObject({ owner: expect.stringMatching(/^worker-/), answers: true, queueLength: 0 });
    expect(partition.epoch).toBeGreaterThanOrEqual(1);
    expect(partition.archiveLag).toBeGreaterThanOrEqual(0);
  }
});

test("workers and archivers answer probes where their records say, and count what they do", async () => {
  const { nodes } = await json("nodes");
  const addressOf = (role: string) => nodes.find((node: { role: string }) => node.role === role).addresses.http;
  const get = async (role: string, path: string) => {
    const answer = await fetch(`${addressOf(role)}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  expect(JSON.parse((await get("worker", "/readyz")).text)).toEqual({
    status: "ready",
    checks: { nats: true, place: true, delivery: true },
  });
  expect((await get("worker", "/metrics")).text).toMatch(/carillon_delivery_lag_seconds\{partition="\d",role="worker"/);
  expect((await get("archiver", "/readyz")).status).toBe(200);
  expect((await get("archiver", "/metrics")).text).toContain("carillon_archive_lag_records");
});

test("config: the effective settings, without secrets", async () => {
  const { settings } = await json("config");
  const value = (wanted: string) => settings.find((each: { path: string }) => each.path === wanted)?.value;
  expect(value("mysql.url")).toMatch(/^mysql:\/\/\*\*\*@127/);
  expect(value("auth.secret")).toBe("***");
  expect(value("gateway.heartbeatSeconds")).toBe(30);
  const nats = new URL(cluster.info().nats[0]!.url);
  expect(JSON.stringify(settings)).not.toContain(nats.password);
});

test("drain sends the clients of a gateway elsewhere, undrain takes it back", async () => {
  const people = await Promise.all(Array.from({ length: 12 }, () => cluster.person("guest")));
  const routes = await Promise.all(people.map((person) => cluster.route(person)));
  const guests = people.filter((_, i) => routes[i]![0]!.gatewayId === "gateway-2");
  expect(guests.length).toBeGreaterThan(0);
  const clients = await Promise.all(guests.map((guest) => cluster.online(guest, "ws")));
  expect(await json("nodes", "drain", "gateway-2")).toMatchObject({ nodeId: "gateway-2" });
  for (const client of clients) {
    const { payload } = await client.nextOf(Command.GOAWAY);
    expect(payload).toMatchObject({ reason: "drain", reconnectTo: { gatewayId: "gateway-1" } });
  }
  const { differences } = await json("locate", guests[0]!.userId);
  expect(differences).toMatchObject([{ why: "gateway-2 is draining; the device is being sent to gateway-1" }]);
  const stateOf = async () =>
    (await json("nodes")).nodes.find((node: { nodeId: string }) => node.nodeId === "gateway-2");
  expect(await stateOf()).toMatchObject({ state: "draining" });
  expect((await json("ring")).gateways.map(({ nodeId }: { nodeId: string }) => nodeId)).toEqual(["gateway-1"]);
  for (const client of clients) client.close();
  expect(await carillon(["nodes", "undrain", "gateway-2", ...here()])).toMatchObject({ code: 0 });
  expect(await stateOf()).toMatchObject({ state: "up" });
});

test("init again changes nothing", async () => {
  expect(await json("init")).toEqual({ partitions: 2, layoutCreated: false, migrations: [] });
});

test("exit codes: 2 for wrong use, 3 when there is no cluster, 1 for a failure", async () => {
  const wrong = [
    ["nope"],
    ["nodes", "--nope"],
    ["locate"],
    ["locate", "no/slash", ...here()],
    ["nodes", "drain", "none", ...here()],
  ];
  for (const args of wrong) expect(await carillon(args)).toMatchObject({ code: 2, stdout: "" });
  expect(await carillon(["chat", "alice", "--transport", "pigeon", ...here()])).toMatchObject({ code: 2 });
  expect(await carillon(["chat", "alice", ...here()])).toMatchObject({ code: 2 });
  expect(await carillon(["nodes", "--data", "/nowhere"])).toMatchObject({ code: 3 });
  const away = { CARILLON_NATS_SERVERS: "nats://127.0.0.1:1" };
  expect(await carillon(["partitions"], "", away)).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/^carillon: /),
  });
  const chat = ["chat", "alice", "--password-file", passwordFile];
  expect(await carillon([...chat, "--api", "http://127.0.0.1:1"])).toMatchObject({ code: 3 });
  expect(await carillon([...chat, ...here()])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("carillon: "),
  });
  for (const args of [["--help"], ["nodes", "--help"], ["nodes", "drain", "--help"], ["chat", "--help"]]) {
    expect(await carillon(args)).toMatchObject({ code: 0, stdout: expect.stringContaining("Usage: carillon") });
  }
});

test("chat, scripted: lines are sent, incoming ones are printed with their sender", async () => {
  const [alice, bob] = [`alice-${randomId(6)}`, `bob-${randomId(6)}`];
  const common = ["--register", "--password-file", passwordFile, ...here()];
  // Without a peer, the command only creates the account.
  expect(await carillon(["chat", bob, ...common])).toMatchObject({ code: 0 });
  const first = await carillon(["chat", alice, bob, ...common], "hello bob\nare you there?\n");
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(/sent #1 hello bob[\s\S]*sent #2 are you there\?/);
  const options = ["--wait", "2", "--transport", "tcp"];
  const second = await carillon(["chat", bob, alice, ...common, ...options], "yes\n/to nobody-at-all\nhm\n");
  expect(second.stdout).toMatch(new RegExp(`${alice} #1 hello bob[\\s\\S]*${alice} #2 are you there\\?`));
  expect(second.stdout).toContain("sent #3 yes");
  expect(second.stdout).toContain("not sent hm");
  expect(second.code).toBe(1);
});
