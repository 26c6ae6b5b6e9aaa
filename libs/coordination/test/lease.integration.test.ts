import { sleep } from "@carillon/base";
import { startServers, type TestServers } from "@carillon/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { Cluster, until } from "./cluster";

let servers: TestServers<{ nats: true }>;
let cluster: Cluster;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  cluster = new Cluster(servers);
}, 120_000);
afterEach(() => cluster.end());
afterAll(() => servers.stop());
jest.setTimeout(60_000);

const TTL = { ttlMs: 1_000 };

test("one of two candidates has the lease; released, the other gets it at once and with a higher epoch", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  const [one, other] = [a.coordination.lease("purge", "a", TTL), b.coordination.lease("purge", "b", TTL)];
  const got = await Promise.all([one.acquire(), other.acquire()]);
  expect([...got].sort()).toEqual([false, true]);
  const [holder, waiting] = got[0] ? [one, other] : [other, one];
  expect([holder.held, holder.epoch, waiting.held]).toEqual([true, 1, false]);
  // Renewed: a candidate that tries for longer than the ttl does not get it.
  for (let i = 0; i < 10; i++) {
    expect(await waiting.acquire()).toBe(false);
    await sleep(TTL.ttlMs / 4);
  }
  expect(holder.held).toBe(true);
  await holder.release();
  expect([holder.held, await waiting.acquire(), waiting.epoch]).toEqual([false, true, 2]);
});

test("a holder without NATS is told that it lost the lease, and another takes it with a higher epoch", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  const [one, other] = [a.coordination.lease("purge", "a", TTL), b.coordination.lease("purge", "b", TTL)];
  const lost: number[] = [];
  one.onLost(() => lost.push(one.epoch));
  expect(await one.acquire()).toBe(true);
  await a.connection.close();
  await until(() => other.acquire());
  await until(() => lost.length > 0);
  await sleep(2 * TTL.ttlMs);
  expect([lost, one.held, other.held, other.epoch]).toEqual([[1], false, true, 2]);
});

test("of many candidates after a death exactly one gets it", async () => {
  const node = await cluster.open();
  const dead = node.coordination.lease("statistics", "dead", TTL);
  expect(await dead.acquire()).toBe(true);
  dead.end();
  const candidates = Array.from({ length: 5 }, (_, i) => node.coordination.lease("statistics", `live-${i}`, TTL));
  await until(async () => {
    await Promise.all(candidates.map((candidate) => candidate.acquire()));
    return candidates.some(({ held }) => held);
  });
  const holders = candidates.filter(({ held }) => held);
  expect(holders.map(({ epoch }) => epoch)).toEqual([2]);
});

test("a lease can be had again after it was released", async () => {
  const { coordination } = await cluster.open();
  const lease = coordination.lease("relay", "a", TTL);
  for (const epoch of [1, 2, 3]) {
    expect([await lease.acquire(), lease.epoch]).toEqual([true, epoch]);
    await lease.release();
  }
});

test("leases and board work again after their buckets were deleted", async () => {
  const { coordination, connection } = await cluster.open();
  const jsm = await jetstreamManager(connection);
  const report = { owner: "w1", boot: "first", epoch: 1 };
  await coordination.partitions.put("logic", 0, report);
  for (const stream of ["KV_leases", "KV_partitions"]) await jsm.streams.delete(stream);
  const lease = coordination.lease("purge", "a", TTL);
  expect(await lease.acquire()).toBe(true);
  await coordination.partitions.put("logic", 0, report);
  expect(await coordination.partitions.all()).toHaveLength(1);
});

test("the board shows the last report of each partition, by role and number", async () => {
  const [a, b] = [await cluster.open(), await cluster.open()];
  const report = { owner: "w1", boot: "first", epoch: 1 };
  for (const partition of [10, 2]) await a.coordination.partitions.put("logic", partition, report);
  await a.coordination.partitions.put("archiver", 2, { ...report, owner: "a1" });
  await a.coordination.partitions.put("logic", 2, { ...report, epoch: 2, ...{ covered: 77 } });
  expect(await b.coordination.partitions.all()).toEqual([
    { ...report, role: "archiver", partition: 2, owner: "a1" },
    { ...report, role: "logic", partition: 2, epoch: 2, covered: 77 },
    { ...report, role: "logic", partition: 10 },
  ]);
});

test("an empty board is empty", async () => {
  const { coordination } = await cluster.open();
  expect(await coordination.partitions.all()).toEqual([]);
});
