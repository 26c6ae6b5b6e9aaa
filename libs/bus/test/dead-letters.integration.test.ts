import { silentLogger } from "@carillon/base/node";
import {
  type Bus,
  connectBus,
  createLayout,
  dropDeadLetter,
  encodeRequestBatch,
  LogWriter,
  listDeadLetters,
  putAside,
  readDeadLetter,
  readQueueLength,
  readRefusedRequests,
  replayDeadLetter,
  type StoredLetter,
} from "@carillon/bus";
import { startServers, type TestServers } from "@carillon/testkit";

let servers: TestServers<{ nats: true }>;
let bus: Bus;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  const settings = { servers: [servers.nats.url], replicas: 1 as const, streamMegabytes: 16 };
  bus = await connectBus({ settings, name: "test", logger: silentLogger() });
  await createLayout(bus, settings, 2);
}, 120_000);

afterAll(async () => {
  await bus?.close();
  await servers?.stop();
});

const request = {
  connection: 1,
  requestId: 7,
  senderId: "alice",
  clientMsgId: "0192f0c1-7e1a-7000-8000-000000000000",
  conversationId: "p:alice:bob",
  contentType: "text",
  content: "what nobody could process",
};
const batch = encodeRequestBatch({ gateway: "g1", boot: "b1", requests: [request] });

async function letters(): Promise<StoredLetter[]> {
  const found: StoredLetter[] = [];
  for await (const letter of listDeadLetters(bus)) found.push(letter);
  return found;
}

test("letters are listed with what they hold; one is dropped, the others stay", async () => {
  expect(await letters()).toEqual([]);
  await putAside(bus, { partition: 1, data: batch, reason: "it killed\nits worker", id: "5-0" });
  await putAside(bus, { partition: 0, data: new Uint8Array([0xc1]), reason: "no batch", id: "6" });
  await putAside(bus, { partition: 0, data: batch, reason: "a third", id: "7" });
  expect(await letters()).toMatchObject([
    { id: 1, partition: 1, reason: "it killed its worker", requests: [{ ...request, gateway: "g1", boot: "b1" }] },
    { id: 2, partition: 0, reason: "no batch", requests: undefined, data: new Uint8Array([0xc1]) },
    { id: 3, partition: 0, reason: "a third" },
  ]);
  expect(await dropDeadLetter(bus, 2)).toBe(true);
  expect(await dropDeadLetter(bus, 2)).toBe(false);
  expect((await letters()).map(({ id }) => id)).toEqual([1, 3]);
  expect(await readDeadLetter(bus, 2)).toBeUndefined();
});

test("a letter that is replayed lies in the queue of its partition, once, and is no letter any more", async () => {
  const letter = (await readDeadLetter(bus, 1))!;
  await replayDeadLetter(bus, letter);
  // Who got no answer tries again.
  await replayDeadLetter(bus, letter);
  expect(await readQueueLength(bus, 1)).toBe(1);
  expect((await bus.jsm.streams.getMessage("IN_1", { seq: 1 }))!.data).toEqual(batch);
  expect((await letters()).map(({ id }) => id)).toEqual([3]);
});

test("which requests a partition refuses is read from its newest epoch record", async () => {
  expect(await readRefusedRequests(bus, 0)).toBeUndefined();
  const writer = new LogWriter({
    bus,
    partition: 0,
    epoch: 1,
    boot: "b",
    life: "1",
    lastSeq: 0,
    room: Number.POSITIVE_INFINITY,
  });
  const dead = [{ seq: 5, index: 0, senderId: "alice", clientMsgId: request.clientMsgId }];
  const progress = { covered: 0, fanout: 0 };
  await writer.append({ kind: "epoch", worker: "w", boot: "b", attempt: 4, dead }, progress);
  await writer.append({ kind: "trying", seq: 6, index: 0 }, progress);
  expect(await readRefusedRequests(bus, 0)).toEqual(dead);
  await writer.append({ kind: "epoch", worker: "w", boot: "b", attempt: 1, dead: [] }, progress);
  expect(await readRefusedRequests(bus, 0)).toEqual([]);
});
