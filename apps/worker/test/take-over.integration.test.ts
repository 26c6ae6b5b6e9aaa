import { nextSnowflake, randomId } from "@carillon/base";
import {
  type Bus,
  decodeRequestBatch,
  encodeRequestBatch,
  endOfRecord,
  LogWriter,
  PartitionLost,
  PREFETCH,
  purgeLog,
  putAsideRequest,
  queueSubject,
  readLastRecord,
  readLogState,
} from "@carillon/bus";
import { decodeEvent, encodeEvent } from "@carillon/protocol";
import { openTestBus, startServers, type TestServers } from "@carillon/testkit";
import type { PartitionState } from "../src/partition/state";
import { foldEarly, LogUnfit, type TakeOverOptions, takeOver } from "../src/partition/take-over";

let servers: TestServers<{ nats: true }>;
let bus: Bus;
let partition = -1;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus } = await openTestBus(servers.nats, 16));
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

beforeEach(() => {
  partition++;
});

const take = (changes: Partial<TakeOverOptions> = {}, early?: PartitionState) => takeOver(options(changes), early);

function options(changes: Partial<TakeOverOptions> = {}): TakeOverOptions {
  return {
    bus,
    partition,
    nodeId: "w1",
    boot: randomId(6),
    archivePosition: async () => -1,
    fanoutPosition: async () => undefined,
    putAside: (seq, index) => putAsideRequest(bus, partition, { seq, index }, "a test"),
    ...changes,
  };
}

const idOf = (seq: number) => `01932c07-0000-7000-8000-${String(seq).padStart(12, "0")}`;

const events = (...seqs: number[]) => ({
  kind: "events" as const,
  events: seqs.map((seq) => ({
    senderId: "alice",
    clientMsgId: idOf(seq),
    digest: `digest-${seq}`,
    origin: { replyTo: "g1", boot: "b1", connection: 1, requestId: seq },
    event: encodeEvent({
      conversationId: "p:alice:bob",
      seq,
      senderId: "alice",
      kind: "message",
      messageId: `${1000 + seq}`,
      clientMsgId: idOf(seq),
      contentType: "text",
      sentAt: 1,
      content: "hello",
    }),
  })),
});

test("an empty log gives an empty state that knows every id", async () => {
  const { state } = await take();
  expect(state).toMatchObject({ ownerEpoch: 1, covered: 0, lastRecord: 1 });
  expect(state.dedupe.floor).toBe(0);
  expect((await readLastRecord(bus, partition))!.body.kind).toBe("epoch");
});

test("the next owner stands exactly where the one before stopped, who can append no more", async () => {
  const first = await take();
  await first.writer.append(events(1, 2), { covered: 4, fanout: 0 });
  await first.writer.append(events(3), { covered: 5, fanout: 0 });
  const second = await take();
  expect(second.state).toMatchObject({ ownerEpoch: 2, covered: 5, lastRecord: 4 });
  expect(second.state.sequences.last("p:alice:bob")).toBe(3);
  expect(second.state.dedupe.find("alice", "p:alice:bob", idOf(2))).toMatchObject({ seq: 2, messageId: "1002" });
  await expect(first.writer.append(events(4), { covered: 6, fanout: 0 })).rejects.toBeInstanceOf(PartitionLost);
});

test("of two workers at once one wins, and the other learns it", async () => {
  const results = await Promise.allSettled([take(), take(), take()]);
  const won = results.filter(({ status }) => status === "fulfilled");
  expect(won.length).toBeGreaterThanOrEqual(1);
  for (const result of results) if (result.status === "rejected") expect(result.reason).toBeInstanceOf(PartitionLost);
  const last = await readLastRecord(bus, partition);
  expect(last!.header.ownerEpoch).toBe(won.length);
});

test("MySQL that does not answer is not waited for", async () => {
  const first = await take();
  await first.writer.append(events(1), { covered: 1, fanout: 0 });
  const { state } = await take({ archivePosition: () => new Promise(() => {}) });
  expect(state.sequences.last("p:alice:bob")).toBe(1);
});

test("a log that does not fit the archive is refused, and nothing is appended", async () => {
  const { streamLife, room } = await readLogState(bus, partition);
  const log = new LogWriter({ bus, partition, ownerEpoch: 1, boot: "b", streamLife, room, lastRecord: 0 });
  for (let seq = 1; seq <= 5; seq++) await log.append(events(seq), { covered: seq, fanout: 0 });
  const unfit = (archived: number) =>
    expect(take({ archivePosition: async () => archived })).rejects.toBeInstanceOf(LogUnfit);
  await unfit(endOfRecord(9));
  await purgeLog(bus, partition, 4);
  await unfit(endOfRecord(2));
  await unfit(-1);
  expect((await readLastRecord(bus, partition))!.seq).toBe(5);
  expect((await take({ archivePosition: async () => endOfRecord(3) })).state.ownerEpoch).toBe(2);
});

test("the fan-out goes on from Redis's position, else from where the last record says that it stood", async () => {
  const first = await take();
  await first.writer.append(events(1), { covered: 1, fanout: 77 });
  expect((await take({ fanoutPosition: async () => 42 })).fanout).toBe(42);
  // A position of another life of the log says nothing; neither does a Redis that is away.
  expect((await take({ fanoutPosition: async () => endOfRecord(900) })).fanout).toBe(77);
  expect((await take({ fanoutPosition: () => Promise.reject(new Error("away")) })).fanout).toBe(77);
  expect((await take()).fanout).toBe(77);
});

test("what was folded early is not folded again; what came after is", async () => {
  const first = await take();
  await first.writer.append(events(1, 2), { covered: 1, fanout: 0 });
  const early = await foldEarly(options());
  expect(early).toMatchObject({ ownerEpoch: 1, lastRecord: 2 });
  await first.writer.append(events(3), { covered: 2, fanout: 0 });
  await first.writer.append({ kind: "release", worker: "w1" }, { covered: 3, fanout: 0 });
  const { state } = await take({}, early);
  expect(state).toMatchObject({ ownerEpoch: 2, covered: 3, lastRecord: 5 });
  expect(state.sequences.last("p:alice:bob")).toBe(3);
  expect(state).toBe(early);
});

test("a queue or log that was made again is refused, and nothing is appended", async () => {
  const first = await take();
  await first.writer.append(events(1), { covered: 7, fanout: 0 });
  const name = `IN_${partition}`;
  const { config } = await bus.jsm.streams.info(name);
  await bus.jsm.streams.delete(name);
  await bus.jsm.streams.add(config);
  await expect(take()).rejects.toThrow("was made again");
  expect((await readLastRecord(bus, partition))!.seq).toBe(2);
});

test("a log that was purged by hand is refused at once, however far the archive is", async () => {
  const first = await take();
  const last = await first.writer.append(events(1), { covered: 1, fanout: 0 });
  await purgeLog(bus, partition);
  const purged = `all its records were purged; it was at record ${last}`;
  await expect(take()).rejects.toThrow(purged);
  await expect(take({ archivePosition: async () => endOfRecord(last) })).rejects.toThrow(purged);
  await expect(take({ archivePosition: () => new Promise(() => {}) })).rejects.toThrow(purged);
});

test("the floor of the ids is the time of the messages when the leader of the log has a clock that is behind", async () => {
  const aheadMs = 3_600_000;
  const first = await take();
  await first.writer.append(events(1), { covered: 1, fanout: 0 });
  const ahead = events(2);
  const snowflake = nextSnowflake({ ms: 0, counter: 0 }, partition, Date.now() + aheadMs);
  ahead.events[0]!.event = encodeEvent({ ...decodeEvent(ahead.events[0]!.event), messageId: snowflake });
  await first.writer.append(ahead, { covered: 2, fanout: 0 });
  // The archive has the first message, so the log is folded from the second on: records are younger than a minute.
  await purgeLog(bus, partition, 3);
  const { state } = await take({ archivePosition: async () => endOfRecord(2) });
  expect(state.dedupe.floor).toBeGreaterThan(Date.now() + aheadMs / 2);
});

test("epochs in a row at the same place are counted, and begin anew when the queue moves on", async () => {
  const attempts = async () => (await take()).state.poison.attempt;
  expect([await attempts(), await attempts(), await attempts()]).toEqual([1, 2, 3]);
  const owner = await take();
  await owner.writer.append(events(1), { covered: 1, fanout: 0 });
  expect(await attempts()).toBe(1);
});

test("the request at which an owner died is put aside once, and the next epochs know it", async () => {
  const request = (connection: number) => ({
    connection,
    requestId: 1,
    senderId: "alice",
    clientMsgId: `0192f0c1-7e1a-7000-8000-00000000000${connection}`,
    conversationId: "p:alice:bob",
    contentType: "text",
    content: "x",
  });
  const batch = encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: [request(1), request(2)] });
  await bus.js.publish(queueSubject(partition), batch);
  const first = await take();
  await first.writer.append({ kind: "trying", seq: 1, index: 1 }, { covered: 0, fanout: 0 });
  const dead = [{ seq: 1, index: 1, senderId: "alice", clientMsgId: request(2).clientMsgId }];
  const known = { trying: undefined, dead, beganAt: 0, singleBatchUntil: PREFETCH };
  expect((await take()).state.poison).toEqual({ ...known, attempt: 2, singleStepUntil: 0 });
  expect((await take()).state.poison).toEqual({ ...known, attempt: 3, singleStepUntil: PREFETCH });
  // A worker that does not know whether its letter was stored writes it again: it is stored once.
  await putAsideRequest(bus, partition, { seq: 1, index: 1 }, "again");
  const { state } = await bus.jsm.streams.info("DEAD", { subjects_filter: `im.dead.${partition}` });
  expect(state.subjects).toEqual({ [`im.dead.${partition}`]: 1 });
  const letter = await bus.jsm.streams.getMessage("DEAD", { last_by_subj: `im.dead.${partition}` });
  expect(letter!.header.get("Carillon-Reason")).toBe("a test");
  expect(decodeRequestBatch(letter!.data)).toMatchObject([{ connection: 2, content: "x" }]);
});
