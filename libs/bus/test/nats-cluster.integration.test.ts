/** Three NATS servers that hold the same streams: what goes on when one of them dies. */
import { silentLogger } from "@carillon/base/node";
import {
  type Bus,
  type CopyGroup,
  connectBus,
  countLed,
  createLayout,
  handOverLead,
  LogFollower,
  LogWriter,
  logStream,
  messageStreams,
  type QueuedBatch,
  queueStream,
  queueSubject,
  RECEIPTS_STREAM,
  RequestConsumer,
  readCopyGroups,
  readLayout,
  readLogState,
} from "@carillon/bus";
import type { NatsServer } from "@carillon/local";
import { startServers, type TestServers, until } from "@carillon/testkit";

let servers: TestServers<{ nats: true; natsPeers: true }>;
let all: NatsServer[];

const settingsOf = (some: NatsServer[]) => ({
  servers: some.map(({ url }) => url),
  replicas: 3 as const,
  fsync: true,
  streamMegabytes: 16,
});

/** A connection to the servers that are named, and to no others: the death of another one does not touch it. */
async function busOf(...some: NatsServer[]): Promise<Bus> {
  const bus = await connectBus({ settings: settingsOf(some), name: "test", logger: silentLogger() });
  // What the server tells of the others must not lead us there.
  expect(bus.connection.getServer()).toBe(some[0]!.server.replace("nats://", ""));
  return bus;
}

beforeAll(async () => {
  servers = await startServers({ nats: true, natsPeers: true });
  all = [servers.nats, ...servers.natsPeers];
  const bus = await busOf(all[0]!);
  // Three servers that have just met may still elect: nobody answers then.
  await until("the streams are there", () => createLayout(bus, settingsOf(all), 2).then(() => true, isNoAnswer));
  await bus.close();
}, 120_000);

afterAll(async () => {
  await servers.stop();
});

function isNoAnswer(error: Error): false {
  if (error.name !== "TimeoutError") throw error;
  return false;
}

const release = { kind: "release" as const, worker: "w1" };
const progress = { covered: 0, fanout: 0 };
/** Nothing while an election goes on: then nobody answers. */
const listConsumers = (bus: Bus, stream: string) =>
  bus.jsm.consumers
    .list(stream)
    .next()
    .catch(() => []);
const isCalled = (server: NatsServer, name: string | undefined) => name === `carillon-${server.port}`;

test("a reader of the log goes on when the server that holds its consumer dies", async () => {
  const watcher = await busOf(all[0]!);
  const partition = 0;
  const log = new LogWriter({
    bus: watcher,
    partition,
    ownerEpoch: 1,
    boot: "b",
    streamLife: "1",
    room: Number.POSITIVE_INFINITY,
    lastRecord: 0,
  });
  await log.append(release, progress);
  const seen: number[] = [];
  let follower = new LogFollower(watcher, partition);
  let following = Promise.resolve();
  const holder = await until("its consumer is on another server than ours", async () => {
    follower.stop();
    await following;
    seen.length = 0;
    follower = new LogFollower(watcher, partition);
    following = follower.run(1, ({ seq }) => seen.push(seq) > 0);
    await until("the first record is read", () => seen.length === 1);
    // Those of the readers before are still there, and waited on by nobody.
    const consumers = await listConsumers(watcher, logStream(partition));
    const name = consumers.find(({ num_waiting: waiting }) => waiting > 0)?.cluster?.leader;
    return all.slice(1).find((server) => isCalled(server, name));
  });
  await holder.kill();
  await log.append(release, progress);
  await until("the second record is read", () => seen.length === 2);
  await holder.start();
  follower.stop();
  await following;
  expect(seen).toEqual([1, 2]);
  await watcher.close();
}, 120_000);

test("an owner takes requests in order when the server that leads its consumer dies", async () => {
  const partition = 1;
  const bus = await busOf(all[0]!);
  // The test before has just brought a server back: until its streams have leaders, nobody answers.
  const { streamLife } = await until("queue and log have leaders", () =>
    readLogState(bus, partition).catch(() => undefined),
  );
  const taken: number[] = [];
  const [covered, batches] = [{ seq: 0 }, new Map<number, QueuedBatch>()];
  const consumer = new RequestConsumer({
    bus,
    partition,
    ownerEpoch: 1,
    streamLife,
    covered: () => covered.seq,
    onBatch: (batch) => {
      taken.push(batch.seq);
      batches.set(batch.seq, batch);
    },
    onRestart: () => batches.clear(),
    onLost: () => {},
  });
  await consumer.start();
  const put = () => until("a batch is stored", () => bus.js.publish(queueSubject(partition), "x").catch(() => false));
  await put();
  const leader = await until("its consumer is led by another server than ours", async () => {
    await until("the first batch is taken", () => batches.has(1));
    const [info] = await listConsumers(bus, queueStream(partition));
    const found = all.slice(1).find((server) => isCalled(server, info?.cluster?.leader));
    if (found === undefined) consumer.restart();
    return found;
  });
  await leader.kill();
  await put();
  await until("both are taken, the first one again", () => batches.has(1) && batches.has(2), 60_000);
  expect(taken.slice(-2)).toEqual([1, 2]);
  covered.seq = 2;
  await leader.start();
  await consumer.stop();
  await bus.close();
}, 120_000);

test("a stream and its consumer are handed over to the server that is named, and one that is away shows", async () => {
  const bus = await busOf(all[0]!);
  const partitions = 2;
  const streams = messageStreams(partitions);
  // Whoever elects does not answer, and the test before has just brought a server back.
  const readLevel = () =>
    until("all servers are level", async () => {
      const groups = await readCopyGroups(bus, streams, partitions).catch(() => []);
      const followers = groups.flatMap((group) => group.followers);
      return followers.length > 0 && followers.every(({ isLevel }) => isLevel) && groups;
    });
  const groups = await readLevel();
  expect(groups.filter(({ consumer }) => consumer === undefined).map(({ stream }) => stream)).toEqual(
    expect.arrayContaining(streams),
  );
  expect([...countLed(groups).keys()]).toEqual(all.map(({ port }) => `carillon-${port}`).sort());
  const isReceipts = ({ stream }: CopyGroup) => stream === RECEIPTS_STREAM;
  for (const group of groups.filter(isReceipts)) {
    const to = group.followers[0]!.server;
    await handOverLead(bus, group, to);
    const isHandedOver = async () => {
      const found = await readCopyGroups(bus, [RECEIPTS_STREAM], partitions).catch(() => []);
      return found.find(({ consumer }) => consumer === group.consumer)?.leader === to;
    };
    await until("it has the leader that was named", isHandedOver);
  }
  expect(groups.filter(isReceipts)).toHaveLength(2);
  await expect(handOverLead(bus, groups[0]!, "nobody")).rejects.toThrow("is not handed over to nobody");

  await all[2]!.kill();
  const away = `carillon-${all[2]!.port}`;
  await until("the dead one is not level", async () => {
    const found = await readCopyGroups(bus, streams, partitions).catch(() => []);
    return found.some(({ followers }) => followers.some(({ server, isLevel }) => server === away && !isLevel));
  });
  await all[2]!.start();
  await readLevel();
  await bus.close();
}, 120_000);

test("who starts while there is no majority waits for it", async () => {
  await Promise.all([all[1]!.kill(), all[2]!.kill()]);
  const starting = busOf(all[0]!).then(async (bus) => ({ bus, layout: await readLayout(bus) }));
  await Promise.all([all[1]!.start(), all[2]!.start()]);
  const { bus, layout } = await starting;
  expect(layout.partitions).toBe(2);
  await bus.close();
}, 120_000);
