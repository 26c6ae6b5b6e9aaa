import { randomId } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import {
  type Bus,
  connectBus,
  createLayout,
  endOfRecord,
  LogWriter,
  PartitionLost,
  purgeLog,
  readLastRecord,
} from "@carillon/bus";
import { encodeEvent } from "@carillon/protocol";
import { startServers, type TestServers } from "@carillon/testkit";
import { LogUnfit, type TakeOverOptions, takeOver } from "../src/own/take-over";

let servers: TestServers<{ nats: true }>;
let bus: Bus;
let partition = -1;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  const settings = { servers: [servers.nats.url], replicas: 1 as const, streamMegabytes: 16 };
  bus = await connectBus({ settings, name: "test", logger: silentLogger() });
  await createLayout(bus, settings, 8);
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

beforeEach(() => {
  partition++;
});

const take = (changes: Partial<TakeOverOptions> = {}) =>
  takeOver({
    bus,
    partition,
    nodeId: "w1",
    boot: randomId(6),
    archivePosition: async () => -1,
    fanoutPosition: async () => undefined,
    ...changes,
  });

const events = (...seqs: number[]) => ({
  kind: "events" as const,
  events: seqs.map((seq) => ({
    senderId: "alice",
    clientMsgId: `id-${seq}`,
    digest: `digest-${seq}`,
    origin: { gateway: "g1", boot: "b1", connection: 1, requestId: seq },
    event: encodeEvent({
      conversationId: "p:alice:bob",
      seq,
      senderId: "alice",
      kind: "message",
      messageId: `${1000 + seq}`,
      clientMsgId: `id-${seq}`,
      contentType: "text",
      sentAt: 1,
      content: "hello",
    }),
  })),
});

test("an empty log gives an empty state that knows every id", async () => {
  const { state } = await take();
  expect(state).toMatchObject({ epoch: 1, covered: 0, lastSeq: 1 });
  expect(state.dedupe.floor).toBe(0);
  expect((await readLastRecord(bus, partition))!.body.kind).toBe("epoch");
});

test("the next owner stands exactly where the one before stopped, who can append no more", async () => {
  const first = await take();
  await first.writer.append(events(1, 2), { covered: 4, fanout: 0 });
  await first.writer.append(events(3), { covered: 5, fanout: 0 });
  const second = await take();
  expect(second.state).toMatchObject({ epoch: 2, covered: 5, lastSeq: 4 });
  expect(second.state.sequences.last("p:alice:bob")).toBe(3);
  expect(second.state.dedupe.find("alice", "p:alice:bob", "id-2")).toMatchObject({ seq: 2, messageId: "1002" });
  await expect(first.writer.append(events(4), { covered: 6, fanout: 0 })).rejects.toBeInstanceOf(PartitionLost);
});

test("of two workers at once one wins, and the other learns it", async () => {
  const results = await Promise.allSettled([take(), take(), take()]);
  const won = results.filter(({ status }) => status === "fulfilled");
  expect(won.length).toBeGreaterThanOrEqual(1);
  for (const result of results) if (result.status === "rejected") expect(result.reason).toBeInstanceOf(PartitionLost);
  const last = await readLastRecord(bus, partition);
  expect(last!.header.epoch).toBe(won.length);
});

test("MySQL that does not answer is not waited for", async () => {
  const first = await take();
  await first.writer.append(events(1), { covered: 1, fanout: 0 });
  const { state } = await take({ archivePosition: () => new Promise(() => {}) });
  expect(state.sequences.last("p:alice:bob")).toBe(1);
});

test("a log that does not fit the archive is refused, and nothing is appended", async () => {
  const log = new LogWriter({ bus, partition, epoch: 1, boot: "b", lastSeq: 0 });
  for (let seq = 1; seq <= 5; seq++) await log.append(events(seq), { covered: seq, fanout: 0 });
  const unfit = (archived: number) =>
    expect(take({ archivePosition: async () => archived })).rejects.toBeInstanceOf(LogUnfit);
  await unfit(endOfRecord(9));
  await purgeLog(bus, partition, 4);
  await unfit(endOfRecord(2));
  await unfit(-1);
  expect((await readLastRecord(bus, partition))!.seq).toBe(5);
  expect((await take({ archivePosition: async () => endOfRecord(3) })).state.epoch).toBe(2);
});

test("the fan-out goes on from Redis's position, unless that is of another life of the log", async () => {
  const first = await take();
  await first.writer.append(events(1), { covered: 1, fanout: 0 });
  expect((await take({ fanoutPosition: async () => endOfRecord(1) })).fanout).toBe(endOfRecord(1));
  expect((await take({ fanoutPosition: async () => endOfRecord(900) })).fanout).toBe(endOfRecord(0));
  expect((await take()).fanout).toBe(endOfRecord(0));
});
