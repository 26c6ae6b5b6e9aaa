import { sleep } from "@carillon/base";
import { startServers, type TestServers } from "@carillon/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Cluster, TIMINGS, until } from "./cluster";

let servers: TestServers<{ nats: true }>;
let cluster: Cluster;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  cluster = new Cluster(servers);
}, 120_000);
afterEach(() => cluster.end());
afterAll(() => servers.stop());
jest.setTimeout(60_000);

const worker = (nodeId: string, boot = `${nodeId}-first`) => ({ nodeId, boot, role: "logic" });

test("join, drain and leave are seen by all, at once and in ring and assignment", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  await a.coordination.join({ ...worker("w1"), addresses: { http: "http://127.0.0.1:1" } });
  const second = await b.coordination.join(worker("w2"));
  await until(() => [a, b].every((node) => node.names().join() === "w1,w2"));
  expect(b.coordination.view.get("logic", "w1")).toMatchObject({
    state: "up",
    addresses: { http: "http://127.0.0.1:1" },
  });
  expect(a.coordination.ringOf("logic").fingerprint).toBe(b.coordination.ringOf("logic").fingerprint);
  expect(a.coordination.ringOf("logic")).toBe(a.coordination.ringOf("logic"));
  expect(new Set(a.coordination.assignment("logic", 4).values())).toEqual(new Set(["w1", "w2"]));

  await second.setState("draining");
  await until(() => a.coordination.view.up("logic").length === 1);
  expect([a.names(), [...a.coordination.ringOf("logic").shares()]]).toEqual([["w1", "w2"], [["w1", 1]]]);
  expect(new Set(a.coordination.assignment("logic", 4).values())).toEqual(new Set(["w1"]));

  await second.leave();
  await until(() => a.names().join() === "w1");
  expect(second.hasLease).toBe(false);
});

test("the load a node tells is seen without a change of the view", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  const member = await a.coordination.join(worker("w1"));
  await until(() => b.names().join() === "w1");
  const { version } = b.coordination.view;
  await member.update({ load: { partitions: 3 } });
  await until(() => b.coordination.view.get("logic", "w1")?.load?.["partitions"] === 3);
  expect(b.coordination.view.version).toBe(version);
});

test("what cannot be a node is refused", async () => {
  const { coordination } = await cluster.open();
  await expect(coordination.join({ ...worker("w.1") })).rejects.toThrow(RangeError);
  await expect(coordination.join({ ...worker("w1"), weight: 0 })).rejects.toThrow(RangeError);
});

test("silent death: first suspected and out of the assignment, then out of the view", async () => {
  const a = await cluster.open();
  await a.coordination.join(worker("w1"));
  const other = cluster.spawn(worker("w2"));
  await until(() => a.names().join() === "w1,w2" && a.coordination.assignment("logic", 4).size === 4);
  // Its first beat, then some quiet: a node that was never heard would be suspected too.
  await sleep(3 * TIMINGS.suspectMs);
  expect(a.coordination.heartbeats.suspected("logic", "w2")).toBe(false);
  const seen: string[] = [];
  a.coordination.onChange(() => {
    const owners = [...new Set(a.coordination.assignment("logic", 4).values())].sort();
    seen.push(`${a.names()} suspected ${a.coordination.heartbeats.suspected("logic", "w2")} owners ${owners}`);
  });
  other.kill("SIGKILL");
  await until(
    () => a.names().join() === "w1",
    () => seen,
  );
  expect(seen).toEqual(["w1,w2 suspected true owners w1", "w1 suspected false owners w1"]);
});

test("several members in one process judge each role for itself", async () => {
  const a = await cluster.open();
  for (const role of ["logic", "archiver"]) await a.coordination.join({ nodeId: "all", boot: `${role}-all`, role });
  const others = ["logic", "archiver"].map((role) => cluster.spawn({ nodeId: "other", boot: `${role}-other`, role }));
  await until(() => others.every(({ events }) => events.includes("joined")) && a.names().length === 4);
  const suspicions = () => ["logic", "archiver"].map((role) => a.coordination.heartbeats.suspected(role, "other"));
  const seen = new Set<string>();
  a.coordination.heartbeats.onChange(() => seen.add(suspicions().join()));
  await sleep(3 * TIMINGS.suspectMs);
  expect([...seen]).toEqual([]);
  others[1]!.kill("SIGSTOP");
  await until(() => suspicions().join() === "false,true");
  others[1]!.kill("SIGCONT");
  await until(() => suspicions().join() === "false,false");
});

test("missed expiry: a key that vanished without a word leaves the view by the listing", async () => {
  const a = await cluster.open();
  await a.coordination.join(worker("w1"));
  const other = cluster.spawn(worker("w2"));
  await until(() => a.names().join() === "w1,w2");
  other.kill("SIGKILL");
  const jsm = await jetstreamManager(a.connection);
  await jsm.streams.purge("KV_nodes", { filter: "$KV.nodes.logic.w2" });
  const kv = await new Kvm(a.connection).open("nodes");
  expect(await kv.get("logic.w2")).toBeNull();
  await until(() => a.names().join() === "w1");
});

test("a dead watch is replaced: joins come by the listing, later ones by the new watch", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  await a.coordination.join(worker("w1"));
  await until(() => b.names().join() === "w1");
  const jsm = await jetstreamManager(a.connection);
  const watchers = async () => (await jsm.consumers.list("KV_nodes").next()).map(({ name }) => name);
  const before = await watchers();
  for (const name of before) await jsm.consumers.delete("KV_nodes", name);
  await a.coordination.join(worker("w2"));
  await until(() => [a, b].every((node) => node.names().join() === "w1,w2"));
  await until(async () => (await watchers()).filter((name) => !before.includes(name)).length === 2);
});

test("paused holder: it knows on resume that its lease is gone, registers again and says so", async () => {
  const a = await cluster.open();
  await a.coordination.join(worker("w1"));
  const other = cluster.spawn(worker("w2"));
  await until(() => other.events.includes("joined") && a.names().join() === "w1,w2");
  other.kill("SIGSTOP");
  await until(() => a.names().join() === "w1");
  other.kill("SIGCONT");
  await until(
    () => other.events.length === 3,
    () => other.events,
  );
  expect(other.events).toEqual(["joined", "lost false", "regained true"]);
  await until(() => a.names().join() === "w1,w2");
});

test("quick restart: the new boot waits for the silence of the old one, then has its place", async () => {
  const a = await cluster.open();
  await a.coordination.join(worker("w1"));
  const first = cluster.spawn(worker("w2", "first"));
  await until(() => a.coordination.view.get("logic", "w2")?.boot === "first");
  first.kill("SIGKILL");
  const second = cluster.spawn(worker("w2", "second"));
  await until(() => a.coordination.view.get("logic", "w2")?.boot === "second");
  await until(
    () => second.events.join() === "joined",
    () => second.events,
  );
  expect(a.history.at(-1)).toEqual(["w1", "w2"]);
});

test("a paused process whose nodeId was taken by another steps down", async () => {
  const a = await cluster.open();
  const first = cluster.spawn(worker("w2", "first"));
  await until(() => first.events.includes("joined"));
  first.kill("SIGSTOP");
  const second = cluster.spawn(worker("w2", "second"));
  await until(() => second.events.includes("joined"));
  first.kill("SIGCONT");
  await until(
    () => first.events.includes("stepped-down false"),
    () => first.events,
  );
  await sleep(2 * TIMINGS.renewMs);
  expect(a.coordination.view.get("logic", "w2")?.boot).toBe("second");
  expect(second.events).toEqual(["joined"]);
});

test("a second process under the nodeId of a living one is refused, and the first is not disturbed", async () => {
  const a = await cluster.open();
  const member = await a.coordination.join(worker("w1", "first"));
  const second = cluster.spawn(worker("w1", "second"));
  await until(() => second.events.length > 0);
  expect(second.events[0]).toMatch(/^refused: another process \(boot first\) is alive as logic w1/);
  expect([member.hasLease, a.coordination.view.get("logic", "w1")?.boot]).toEqual([true, "first"]);
});

test("a renewal that finds another revision adopts it if it is of its own boot, and steps down if not", async () => {
  const a = await cluster.open();
  const member = await a.coordination.join(worker("w1"));
  const events: string[] = [];
  for (const event of ["lost", "stepped-down"] as const) member.on(event, () => events.push(event));
  const kv = await new Kvm(a.connection).open("nodes");
  await kv.put("logic.w1", JSON.stringify(member.record));
  await member.update({ load: { sessions: 1 } });
  expect((await kv.get("logic.w1"))?.json()).toMatchObject({ boot: "w1-first", load: { sessions: 1 } });
  await sleep(2 * TIMINGS.ttlMs);
  expect([events, member.hasLease]).toEqual([[], true]);

  await kv.put("logic.w1", JSON.stringify({ ...member.record, boot: "stranger" }));
  await until(() => events.length > 0);
  await expect(member.update({ load: {} })).rejects.toThrow("no place in the cluster");
  expect([events, member.hasLease]).toEqual([["stepped-down"], false]);
  expect((await kv.get("logic.w1"))?.json()).toMatchObject({ boot: "stranger" });
});
