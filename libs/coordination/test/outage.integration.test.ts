import { sleep } from "@carillon/base";
import { startServers, type TestServers } from "@carillon/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Cluster, type TestNode, TIMINGS, until } from "./cluster";

let servers: TestServers<{ nats: true }>;
let cluster: Cluster;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  cluster = new Cluster(servers);
}, 120_000);
afterEach(() => cluster.end());
afterAll(() => servers.stop());
jest.setTimeout(90_000);

async function threeWorkers() {
  const nodes = [await cluster.open(), await cluster.open(), await cluster.open()];
  const members = await Promise.all(
    nodes.map(({ coordination }, i) => coordination.join({ nodeId: `w${i}`, boot: `boot-${i}`, role: "logic" })),
  );
  await until(() => nodes.every((node) => node.names().join() === "w0,w1,w2"));
  for (const { history } of nodes) history.length = 0;
  return { nodes, members };
}

async function registered({ connection }: TestNode): Promise<string[]> {
  const kv = await new Kvm(connection).open("nodes");
  const keys: string[] = [];
  for await (const key of await kv.keys()) keys.push(key);
  return keys.sort();
}

const ALL = ["logic.w0", "logic.w1", "logic.w2"];

test("bucket deleted: it is made again, the nodes register again, and no view misses any of them meanwhile", async () => {
  const { nodes, members } = await threeWorkers();
  const jsm = await jetstreamManager(nodes[0]!.connection);
  await jsm.streams.delete("KV_nodes");
  await until(async () => (await registered(nodes[0]!).catch(() => [])).join() === ALL.join());
  const { config } = await jsm.streams.info("KV_nodes");
  expect([config.max_age, config.allow_msg_ttl]).toEqual([TIMINGS.ttlMs * 1e6, true]);
  await until(() => members.every(({ hasLease }) => hasLease));
  await sleep(TIMINGS.graceMs + 3 * TIMINGS.listMs);
  expect(nodes.map(({ history }) => history)).toEqual([[], [], []]);
  expect(nodes.map((node) => node.names().join())).toEqual(["w0,w1,w2", "w0,w1,w2", "w0,w1,w2"]);
  // The watch of the new bucket works: a departure is seen although the view is the old one.
  await members[2]!.leave();
  await until(() => nodes.every((node) => node.names().join() === "w0,w1"));
});

test("NATS away longer than the ttl: all leases end, the view is held, and all come back by themselves", async () => {
  const { nodes, members } = await threeWorkers();
  const events: string[] = [];
  for (const [i, member] of members.entries()) {
    for (const event of ["lost", "regained", "stepped-down"] as const)
      member.on(event, () => events.push(`${event} ${i}`));
  }
  await servers.nats.kill();
  await until(() => members.every(({ hasLease }) => !hasLease));
  await sleep(TIMINGS.ttlMs);
  await servers.nats.start();
  await until(() => members.every(({ hasLease }) => hasLease));
  await until(
    () => events.length === 6,
    () => events,
  );
  expect([...events].sort()).toEqual([0, 1, 2].flatMap((i) => [`lost ${i}`, `regained ${i}`]).sort());
  await sleep(TIMINGS.graceMs + 3 * TIMINGS.listMs);
  expect(nodes.map(({ history }) => history)).toEqual([[], [], []]);
  expect(await registered(nodes[0]!)).toEqual(ALL);
});

test("a node that died in the outage leaves the view after the grace time", async () => {
  const { nodes } = await threeWorkers();
  await servers.nats.kill();
  await nodes[2]!.coordination.close();
  await sleep(2 * TIMINGS.ttlMs);
  await servers.nats.start();
  await until(() => nodes.slice(0, 2).every((node) => node.names().join() === "w0,w1"));
  expect(nodes[0]!.history).toEqual([["w0", "w1"]]);
});

test("NATS paused: nobody is suspected, and a quick restart of NATS loses nobody", async () => {
  const { nodes, members } = await threeWorkers();
  const suspected = () =>
    nodes.flatMap(({ coordination }) =>
      ["w0", "w1", "w2"].filter((id) => coordination.heartbeats.suspected("logic", id)),
    );
  const found = new Set<string>();
  for (const { coordination } of nodes) {
    coordination.heartbeats.onChange(() => {
      for (const nodeId of suspected()) found.add(nodeId);
    });
  }
  servers.nats.pause();
  await sleep(3 * TIMINGS.suspectMs);
  // No node takes itself for dead, either.
  for (const nodeId of suspected()) found.add(nodeId);
  servers.nats.resume();
  await sleep(TIMINGS.suspectMs);
  await servers.nats.restart();
  await until(() => members.every(({ hasLease }) => hasLease));
  await sleep(2 * TIMINGS.suspectMs);
  expect([[...found], suspected()]).toEqual([[], []]);
  expect(nodes.map(({ history }) => history)).toEqual([[], [], []]);
});

test("a restarted process opens an empty bucket after the outage and is not confused by it", async () => {
  const { nodes } = await threeWorkers();
  const jsm = await jetstreamManager(nodes[0]!.connection);
  await jsm.streams.delete("KV_nodes");
  const late = await cluster.open();
  await until(() => late.names().join() === "w0,w1,w2");
  const rings = [...nodes, late].map(({ coordination }) => coordination.ringOf("logic").fingerprint);
  expect(new Set(rings).size).toBe(1);
});
