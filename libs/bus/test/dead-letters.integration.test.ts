import {
  type Bus,
  decodeRequestBatch,
  dropDeadLetter,
  encodeReceipts,
  encodeRequestBatch,
  listDeadLetters,
  putAside,
  ReceiptConsumer,
  readDeadLetter,
  readQueueLength,
  replayDeadLetter,
  replayReceipts,
  type StoredLetter,
} from "@carillon/bus";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";

let servers: TestServers<{ nats: true }>;
let bus: Bus;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus } = await openTestBus(servers.nats, 2));
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
const batch = encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: [request] });

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
    { id: 1, partition: 1, reason: "it killed its worker", requests: [{ ...request, replyTo: "g1", boot: "b1" }] },
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
  const { data, seq } = (await bus.jsm.streams.getMessage("IN_1", { seq: 1 }))!;
  expect(decodeRequestBatch(data, seq)).toEqual([{ ...request, replyTo: "g1", boot: "b1", replayedAt: 1 }]);
  expect((await letters()).map(({ id }) => id)).toEqual([3]);
});

test("a receipt that cannot be stored is put aside after some tries, the others of its batch are stored", async () => {
  const stored: string[] = [];
  const consumer = new ReceiptConsumer(bus, async (receipts) => {
    if (receipts.some(({ userId }) => userId === "mallory")) throw new Error("no such number");
    stored.push(...receipts.map(({ userId }) => userId));
  });
  const receipt = (userId: string) => ({ userId, deviceId: "d", conversationId: "p:a:b", seq: 1 });
  await bus.js.publish("im.receipts.1", encodeReceipts([receipt("alice"), receipt("mallory"), receipt("bob")]));
  consumer.start();
  await until("the letter is there", async () => (await letters()).some(({ kind }) => kind === "receipts"), 120_000);
  await consumer.stop();
  expect(stored).toEqual(["alice", "bob"]);
  const letter = (await letters()).find(({ kind }) => kind === "receipts")!;
  expect(letter).toMatchObject({ partition: 1, reason: "no such number" });
  await replayReceipts(bus, letter);
  expect((await letters()).filter(({ kind }) => kind === "receipts")).toEqual([]);
}, 180_000);

test("what cannot be read is replayed as it is", async () => {
  await putAside(bus, { partition: 0, data: new Uint8Array([0xc1]), reason: "no batch", id: "8" });
  await replayDeadLetter(bus, (await readDeadLetter(bus, 5))!);
  expect((await bus.jsm.streams.getMessage("IN_0", { seq: 1 }))!.data).toEqual(new Uint8Array([0xc1]));
});
