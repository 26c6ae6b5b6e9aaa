import { partitionOf } from "@carillon/base";
import { type Bus, ReceiptConsumer } from "@carillon/bus";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";
import { ReadReceipts } from "../src/receipts/read-receipts";
import type { Session } from "../src/session/session";

const PARTITIONS = 16;
let servers: TestServers<{ nats: true }>;
let bus: Bus;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus } = await openTestBus(servers.nats, PARTITIONS));
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

test("receipts of different partitions never share a batch: a partition whose owner is away does not hold up the others", async () => {
  const answered: number[] = [];
  const session = {
    number: 1,
    identity: { userId: "alice", deviceId: "phone" },
    reply: (_: number, requestId: number) => answered.push(requestId),
  } as unknown as Session;
  const reads = new ReadReceipts({ bus, partitions: PARTITIONS, users: { sessions: new Map([[1, session]]) } });
  const conversations = Array.from({ length: 64 }, (_, i) => `p:alice:peer${i}`);
  conversations.forEach((conversationId, i) => {
    reads.read(session, i, { conversationId, seq: 1 });
  });
  await until("all are stored", () => answered.length === conversations.length);
  const dead = partitionOf(conversations[0]!, PARTITIONS);
  const stored: string[] = [];
  const consumer = new ReceiptConsumer(bus, async (receipts) => {
    const partitions = receipts.map(({ conversationId }) => partitionOf(conversationId, PARTITIONS));
    if (partitions.includes(dead)) throw new Error("its owner is away");
    stored.push(...receipts.map(({ conversationId }) => conversationId));
  });
  consumer.start();
  const living = conversations.filter((id) => partitionOf(id, PARTITIONS) !== dead);
  await until("all others are stored", () => stored.length >= living.length);
  expect(new Set(stored)).toEqual(new Set(living));
  await consumer.stop();
  await reads.stop(1_000);
}, 60_000);
