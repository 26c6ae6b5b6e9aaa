import { Admission, randomId } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import {
  ask,
  BatchPublisher,
  type Bus,
  connectBus,
  createLayout,
  decodeRequestBatch,
  encodeRequestBatch,
  findRecordSince,
  LogFull,
  type LogRecord,
  LogWriter,
  PartitionLost,
  positionOf,
  purgeLog,
  type QueuedBatch,
  question,
  queueSubject,
  RequestConsumer,
  readLastRecord,
  readLayout,
  readLog,
  readLogState,
  type SendRequest,
  serve,
  sizeOfRequest,
} from "@carillon/bus";
import { CarillonError } from "@carillon/protocol";
import { openTestBus, startServers, type TestBus, type TestServers, until } from "@carillon/testkit";

let servers: TestServers<{ nats: true }>;
let bus: Bus;
let settings: TestBus["settings"];
let partition = -1;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus, settings } = await openTestBus(servers.nats, 16));
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

beforeEach(() => {
  partition++;
});

const request = (number: number): SendRequest => ({
  connection: 1,
  requestId: number,
  senderId: "alice",
  clientMsgId: "0192f0c1-7e1a-7000-8000-000000000000",
  conversationId: "p:alice:bob",
  contentType: "text",
  content: `message ${number}`,
});
const batchOf = (...numbers: number[]) =>
  encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: numbers.map(request) });
const release = { kind: "release" as const, worker: "w1" };
const progress = { covered: 0, fanout: 0 };
const writer = (ownerEpoch: number, lastRecord: number, boot = randomId(6)) =>
  new LogWriter({ bus, partition, ownerEpoch, boot, streamLife: "1", room: Number.POSITIVE_INFINITY, lastRecord });

describe("layout", () => {
  test("is created once; another number of partitions is refused", async () => {
    expect(await readLayout(bus)).toMatchObject({ format: 1, partitions: 16 });
    await createLayout(bus, settings, 16);
    await expect(createLayout(bus, settings, 4)).rejects.toThrow("16 partitions");
  });

  test("a server that cannot be reached is named", async () => {
    const nowhere = { ...settings, servers: ["nats://127.0.0.1:1"] };
    await expect(connectBus({ settings: nowhere, name: "x", logger: silentLogger() })).rejects.toThrow("127.0.0.1:1");
  });
});

describe("log writer", () => {
  test("appends in order; records come back as they were written", async () => {
    const log = writer(3, 0, "boot1");
    const body = {
      kind: "events" as const,
      events: [
        {
          senderId: "alice",
          clientMsgId: "id",
          digest: "d",
          origin: { replyTo: "g1", boot: "b1", connection: 4, requestId: 5 },
          event: new Uint8Array([1, 2, 3]),
        },
      ],
    };
    expect(await log.append(body, { covered: 7, fanout: positionOf(2, 1) })).toBe(1);
    expect(await log.append(release, { covered: 8, fanout: positionOf(2, 2) })).toBe(2);
    const records: LogRecord[] = [];
    await readLog(bus, partition, 1, 2, (record) => void records.push(record));
    expect(records[0]).toMatchObject({
      seq: 1,
      header: { ownerEpoch: 3, boot: "boot1", append: 1, covered: 7, fanout: positionOf(2, 1) },
    });
    expect(records[0]!.body.kind).toBe("events");
    const [event] = (records[0]!.body as typeof body).events;
    expect({ ...event, event: [...event!.event] }).toEqual({ ...body.events[0], event: [1, 2, 3] });
    expect((await readLastRecord(bus, partition))!.body).toEqual(release);
    expect(Math.abs(records[1]!.storedAt - Date.now())).toBeLessThan(60_000);
  });

  test("a former owner cannot append after the new one's first record", async () => {
    const old = writer(1, 0);
    await old.append(release, progress);
    const successor = writer(2, 1);
    await successor.append(release, progress);
    await expect(old.append(release, progress)).rejects.toBeInstanceOf(PartitionLost);
    expect((await readLogState(bus, partition)).lastRecord).toBe(2);
  });

  test("an append that was stored although its answer was lost is recognised, and not stored twice", async () => {
    const boot = randomId(6);
    await writer(1, 0, boot).append(release, progress);
    // A writer in the state of one that never heard of its first append: the server answers 10071.
    const unaware = writer(1, 0, boot);
    expect(await unaware.append(release, progress)).toBe(1);
    expect((await readLogState(bus, partition)).lastRecord).toBe(1);
    expect(await unaware.append(release, progress)).toBe(2);
  });

  test("waits for a NATS that restarts, and goes on", async () => {
    const log = writer(1, 0);
    await log.append(release, progress);
    await servers.nats.kill();
    const appended = log.append(release, progress);
    await servers.nats.start();
    expect(await appended).toBe(2);
    expect((await readLogState(bus, partition)).lastRecord).toBe(2);
  });

  test("a writer that was paused until the next one's records were purged learns that it has lost", async () => {
    const old = writer(1, 0);
    await old.append(release, progress);
    const next = writer(2, 1);
    for (let i = 0; i < 3; i++) await next.append(release, progress);
    await purgeLog(bus, partition, 4);
    await expect(old.append(release, progress)).rejects.toBeInstanceOf(PartitionLost);
  });

  test("events end before the last 5 %, what changes the owner does not", async () => {
    const { room, bytes } = await readLogState(bus, partition);
    expect(room + bytes).toBe(0.95 * settings.streamMegabytes * 1024 * 1024);
    const log = writer(1, 0);
    log.setRoom(1_000);
    const one = {
      senderId: "a",
      clientMsgId: "1",
      digest: "d",
      origin: { replyTo: "g", boot: "b", connection: 1, requestId: 1 },
    };
    const body = (size: number) => ({ kind: "events" as const, events: [{ ...one, event: new Uint8Array(size) }] });
    await log.append(body(700), progress);
    await expect(log.append(body(700), progress)).rejects.toBeInstanceOf(LogFull);
    expect(await log.append(release, progress)).toBe(2);
    log.setRoom(10_000);
    expect(await log.append(body(700), progress)).toBe(3);
  });

  test("purges from the front, and finds records by time", async () => {
    const log = writer(1, 0);
    for (let i = 0; i < 5; i++) await log.append(release, progress);
    await purgeLog(bus, partition, 3);
    const state = await readLogState(bus, partition);
    expect(state).toMatchObject({ firstRecord: 3, lastRecord: 5 });
    expect(await findRecordSince(bus, partition, 0, state)).toBe(3);
    expect(await findRecordSince(bus, partition, Date.now() + 3_600_000, state)).toBe(6);
  });
});

describe("request queue", () => {
  async function consume(covered: () => number, ownerEpoch = 1) {
    const batches: QueuedBatch[] = [];
    let [restarts, lost] = [0, 0];
    const { streamLife } = await readLogState(bus, partition);
    const consumer = new RequestConsumer({
      bus,
      partition,
      ownerEpoch,
      streamLife,
      covered,
      onBatch: (batch) => batches.push(batch),
      onRestart: () => {
        restarts++;
        batches.length = 0;
      },
      onLost: () => {
        lost++;
      },
    });
    return { batches, consumer, restarts: () => restarts, lost: () => lost };
  }

  test("a publisher batches what waits and keeps the order", async () => {
    const publisher = new BatchPublisher<SendRequest>({
      bus,
      subject: queueSubject(partition),
      encode: (requests) => encodeRequestBatch({ replyTo: "g1", boot: "b1", requests }),
      sizeOf: sizeOfRequest,
      onRefused: () => {},
    });
    for (let i = 0; i < 1_000; i++) expect(publisher.submit(request(i))).toBe(true);
    await publisher.stop(20_000);
    const { batches, consumer } = await consume(() => 0);
    await consumer.start();
    const numbers = () => batches.flatMap(({ data }) => decodeRequestBatch(data).map((r) => r.requestId));
    await until("all requests came", () => numbers().length === 1_000);
    expect(numbers()).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect(batches.length).toBeLessThan(10);
    await consumer.stop();
  });

  test("batches that are covered are acknowledged unprocessed, the others come in order", async () => {
    for (let i = 1; i <= 4; i++) await bus.js.publish(queueSubject(partition), batchOf(i));
    const { batches, consumer } = await consume(() => 2);
    await consumer.start();
    await until("two batches", () => batches.length === 2);
    expect(batches.map(({ seq }) => seq)).toEqual([3, 4]);
    expect(await Promise.all(batches.map((batch) => batch.confirm()))).toEqual([true, true]);
    await until("all acknowledged", async () => (await bus.jsm.streams.info(`IN_${partition}`)).state.messages === 0);
    await consumer.stop();
  });

  test("an owner does not touch the consumer of a later one: it has lost the partition", async () => {
    const later = await consume(() => 0, 5);
    await later.consumer.start();
    await bus.js.publish(queueSubject(partition), batchOf(1));
    await until("the later one has it", () => later.batches.length === 1);
    const earlier = await consume(() => 0, 4);
    await expect(earlier.consumer.start()).rejects.toBeInstanceOf(PartitionLost);
    await bus.js.publish(queueSubject(partition), batchOf(2));
    await until("it goes on", () => later.batches.length === 2);
    await later.consumer.stop();
  });

  test("a queue that was made again is not taken for the old one", async () => {
    const { batches, consumer, lost } = await consume(() => 5);
    await consumer.start();
    const name = `IN_${partition}`;
    const { config } = await bus.jsm.streams.info(name);
    await bus.jsm.streams.delete(name);
    await bus.jsm.streams.add(config);
    await bus.js.publish(queueSubject(partition), batchOf(1));
    await until("lost", () => lost() === 1);
    expect(batches).toEqual([]);
    expect((await bus.jsm.streams.info(name)).state.messages).toBe(1);
    await consumer.stop();
  });

  test("a gap that a former owner consumed is accepted", async () => {
    for (let i = 1; i <= 4; i++) await bus.js.publish(queueSubject(partition), batchOf(i));
    await bus.jsm.streams.deleteMessage(`IN_${partition}`, 2);
    await bus.jsm.streams.deleteMessage(`IN_${partition}`, 3);
    const { batches, consumer, restarts } = await consume(() => 0);
    await consumer.start();
    await until("two batches", () => batches.length === 2);
    expect(batches.map(({ seq }) => seq)).toEqual([1, 4]);
    expect(restarts()).toBe(0);
    await consumer.stop();
  });

  test("after a restart everything that is not covered comes again, in order", async () => {
    let covered = 0;
    for (let i = 1; i <= 3; i++) await bus.js.publish(queueSubject(partition), batchOf(i));
    const { batches, consumer, restarts } = await consume(() => covered);
    await consumer.start();
    await until("three batches", () => batches.length === 3);
    covered = 1;
    await batches[0]!.confirm();
    consumer.restart();
    await until("restarted", () => restarts() === 1 && batches.length === 2);
    expect(batches.map(({ seq }) => seq)).toEqual([2, 3]);
    await consumer.stop();
  });

  test("a deleted consumer is noticed, and a fresh one goes on", async () => {
    const { batches, consumer, restarts } = await consume(() => 0);
    await consumer.start();
    await until(
      "consumer made",
      async () => (await bus.jsm.streams.info(`IN_${partition}`)).state.consumer_count === 1,
    );
    await bus.jsm.consumers.delete(`IN_${partition}`, "owner-1-1");
    await until("restarted", () => restarts() > 0, 50_000);
    await bus.js.publish(queueSubject(partition), batchOf(1));
    await until("the batch came", () => batches.length === 1);
    await consumer.stop();
  });
});

describe("rpc", () => {
  const counting = question<{ n: number }, number>("test");
  const admitted = question<{ name: string }, string>("admitted");

  test("answers, errors of the table, nobody there", async () => {
    const stop = serve(bus, counting, ({ n }) => {
      if (n < 0) throw new CarillonError("NO_SUCH_USER", "nobody", { retryAfterMs: 7 });
      if (n === 0) throw new Error("secret detail");
      return n + 1;
    });
    expect(await ask(bus, counting, { n: 1 })).toBe(2);
    await expect(ask(bus, counting, { n: -1 })).rejects.toMatchObject({
      name: "NO_SUCH_USER",
      message: "nobody",
      retryAfterMs: 7,
    });
    await expect(ask(bus, counting, { n: 0 })).rejects.toMatchObject({
      name: "INTERNAL",
      message: "internal error",
    });
    stop();
    await until("nobody serves", () =>
      ask(bus, counting, { n: 1 }, 500).then(
        () => false,
        (e) => e.name === "BUSY",
      ),
    );
  });

  test("with an admission: so much is under way and waits, the rest is BUSY, and what nobody waits for is never begun", async () => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const monotonic = () => bus.clock.monotonic();
    const admission = new Admission({
      atOnce: 1,
      waiting: 2,
      perKey: { atOnce: 1, waiting: 1 },
      patienceMs: 60_000,
      monotonic,
    });
    const work = async ({ name }: { name: string }) => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.push(resolve));
      return name;
    };
    const stop = serve(bus, admitted, work, { admission, keyOf: ({ name }) => name[0]! });
    const asking = (name: string, deadlineMs = 30_000) =>
      ask(bus, admitted, { name }, deadlineMs).catch((error: CarillonError) => error);
    const first = asking("a1");
    await until("it is begun", () => begun.length === 1);
    const gone = asking("b1", 200);
    await until("it waits", () => admission.waiting === 1);
    expect(await asking("b2")).toMatchObject({ name: "BUSY", retryAfterMs: expect.any(Number) });
    expect(await gone).toMatchObject({ name: "BUSY" });
    await until("it waits no more", () => admission.waiting === 0);
    const next = asking("c1");
    await until("it waits", () => admission.waiting === 1);
    ends.shift()!();
    expect(await first).toBe("a1");
    await until("it is begun", () => begun.length === 2);
    ends.shift()!();
    expect(await next).toBe("c1");
    expect(begun).toEqual(["a1", "c1"]);
    stop();
  });
});
