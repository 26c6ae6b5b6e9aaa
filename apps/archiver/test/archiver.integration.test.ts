import { sleep } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import {
  type Bus,
  endOfRecord,
  Followers,
  LogWriter,
  listDeadLetters,
  purgeLog,
  readLogState,
  type StoredLetter,
} from "@carillon/bus";
import { decodeEvent, type Event, encodeEvent } from "@carillon/protocol";
import { MysqlStore, migrate } from "@carillon/store";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";
import { PartitionJourney } from "../src/journey";
import { purgePartition } from "../src/purge/purge";

const PARTITIONS = 10;
let servers: TestServers<{ nats: true; mysql: true }>;
let bus: Bus;
let store: MysqlStore;
let partition = -1;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  servers = await startServers({ nats: true, mysql: true });
  ({ bus } = await openTestBus(servers.nats, PARTITIONS));
  const mysql = { url: servers.mysql.url, poolSize: 4 };
  await migrate(mysql, silentLogger());
  store = await MysqlStore.connect(mysql, silentLogger());
}, 120_000);

afterEach(async () => {
  await Promise.all(running.splice(0).map((part) => part.stop()));
});

afterAll(async () => {
  await store.close();
  await bus.close();
  await servers.stop();
});

let ids = 0;

/** A partition with one conversation, and a writer of its log. */
async function newLog() {
  const conversationId = `p:a${++partition}:b${partition}`;
  const writer = new LogWriter({
    bus,
    partition,
    ownerEpoch: 1,
    boot: "boot",
    streamLife: "1",
    room: Number.POSITIVE_INFINITY,
    lastRecord: 0,
  });
  let seq = 0;
  const nextEvent = (): Event => ({
    conversationId,
    seq: ++seq,
    messageId: String(9_007_199_254_740_993n + BigInt(++ids)),
    kind: "message",
    senderId: `a${partition}`,
    clientMsgId: `0196f000-0000-7000-8000-${String(ids).padStart(12, "0")}`,
    contentType: "text",
    content: `text ${seq}`,
    sentAt: 1_790_000_000_000 + seq,
  });
  const origin = { replyTo: "g1", boot: "b1", connection: 1, requestId: 0 };
  const append = async (events: number, fanout = endOfRecord(writer.lastRecord + 1)) => {
    const logged = Array.from({ length: events }, nextEvent).map((event) => ({
      senderId: event.senderId,
      clientMsgId: event.clientMsgId,
      digest: "d",
      origin,
      event: encodeEvent(event),
    }));
    return writer.append({ kind: "events", events: logged }, { covered: 0, fanout });
  };
  const release = () =>
    writer.append({ kind: "release", worker: "w" }, { covered: 0, fanout: endOfRecord(writer.lastRecord) });
  return { partition, conversationId, append, release };
}

function start(of: number): PartitionJourney {
  const journey = new PartitionJourney({
    bus,
    partition: of,
    archive: store.archive,
    logger: silentLogger(),
    replayWindowMs: 600_000,
  });
  journey.start();
  running.push(journey);
  return journey;
}

const archivedRecord = (of: number, seq: number) => async () =>
  (await store.facts.archivePositions()).get(of)?.position === endOfRecord(seq);

async function archivedSeqs(conversationId: string): Promise<number[]> {
  const range = { from: 1, to: 100_000, limit: 100_000, newestFirst: false };
  return (await store.conversations.history(conversationId, range)).map(({ seq }) => seq);
}

async function lettersOf(kind: StoredLetter["kind"]): Promise<StoredLetter[]> {
  const found: StoredLetter[] = [];
  for await (const letter of listDeadLetters(bus)) if (letter.kind === kind) found.push(letter);
  return found;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe("a partition", () => {
  test("is archived from its first record, and on as it grows", async () => {
    const log = await newLog();
    await log.append(3);
    await log.release();
    start(log.partition);
    await until("the beginning is archived", archivedRecord(log.partition, 2));
    const last = await log.append(2);
    await until("the rest is archived", archivedRecord(log.partition, last));
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(5));
    const [row] = await store.conversations.list(`b${log.partition}`, 10);
    expect(row).toMatchObject({ conversationId: log.conversationId, lastSeq: 5, preview: { text: "text 5" } });
  });

  test("with thousands of events is archived once each", async () => {
    const log = await newLog();
    let last = 0;
    for (let i = 0; i < 20; i++) last = await log.append(i === 7 ? 2_000 : 150);
    const journey = start(log.partition);
    await until("all is archived", archivedRecord(log.partition, last));
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(19 * 150 + 2_000));
    expect(journey.progress.done).toBe(19 * 150 + 2_000);
  });

  test("goes on where the archiver before stopped", async () => {
    const log = await newLog();
    await log.append(2);
    const first = start(log.partition);
    await until("the first has archived", archivedRecord(log.partition, 1));
    await first.stop();
    const last = await log.append(2);
    start(log.partition);
    await until("the second has archived", archivedRecord(log.partition, last));
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(4));
  });

  test("that two archivers hold to be theirs is archived once", async () => {
    const log = await newLog();
    start(log.partition);
    start(log.partition);
    let last = 0;
    for (let i = 0; i < 30; i++) {
      last = await log.append(10);
      await sleep(20);
    }
    await until("all is archived", archivedRecord(log.partition, last));
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(300));
  }, 60_000);

  test("waits while MySQL is away, and is complete afterwards", async () => {
    const log = await newLog();
    await log.append(5);
    start(log.partition);
    await until("the beginning is archived", archivedRecord(log.partition, 1));
    await servers.mysql.kill();
    let last = 0;
    for (let i = 0; i < 10; i++) last = await log.append(5);
    await servers.mysql.start();
    await until("all is archived", async () => archivedRecord(log.partition, last)().catch(() => false), 60_000);
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(55));
  }, 90_000);

  test("is complete when MySQL is killed while batches are written", async () => {
    const log = await newLog();
    start(log.partition);
    let last = 0;
    const writing = (async () => {
      for (let i = 0; i < 200; i++) last = await log.append(20);
    })();
    await until("it is under way", async () => ((await store.archive.progress(log.partition))?.position ?? -1) > 0);
    await servers.mysql.kill();
    await servers.mysql.start();
    await writing;
    await until("all is archived", async () => archivedRecord(log.partition, last)().catch(() => false), 60_000);
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(4_000));
  }, 90_000);

  test("an event whose values MySQL refuses is archived without its content, and stops nobody", async () => {
    const log = await newLog();
    const raw = await createConnection(servers.mysql.url);
    await raw.query(
      `CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW
         IF NEW.content = 'text 7' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no seven'; END IF`,
    );
    const last = await log.append(10);
    start(log.partition);
    await until("all is archived", archivedRecord(log.partition, last));
    expect(await archivedSeqs(log.conversationId)).toEqual(upTo(10));
    const [letter] = await lettersOf("event");
    expect([letter!.partition, letter!.reason, decodeEvent(letter!.data).content]).toEqual([
      ...[log.partition, "no seven", "text 7"],
    ]);
    const seventh = () => store.facts.recallTargets([{ conversationId: log.conversationId, seq: 7 }]);
    expect([...(await seventh()).values()]).toMatchObject([{ recalled: true }]);
    expect(await store.archive.restoreContent(decodeEvent(letter!.data))).toBe(true);
    expect([...(await seventh()).values()]).toMatchObject([{ recalled: false }]);
    await raw.query("DROP TRIGGER refuse");
    await raw.end();
  });

  test("with a hole between archive and log is not archived", async () => {
    const log = await newLog();
    for (let i = 0; i < 5; i++) await log.append(1);
    await purgeLog(bus, log.partition, 3);
    const journey = start(log.partition);
    await until("it was claimed", () => journey.progress.claim > 0);
    await sleep(500);
    expect((await store.archive.progress(log.partition))?.position).toBe(-1);
    expect(await archivedSeqs(log.conversationId)).toEqual([]);
  });
});

test("a purge leaves what is not archived, not fanned out, or last", async () => {
  const log = await newLog();
  await log.append(1, -1);
  await log.append(1, -1);
  const last = await log.append(1, endOfRecord(2));
  expect(await purgePartition(bus, log.partition, -1, 0)).toBe(0);
  expect(await purgePartition(bus, log.partition, endOfRecord(last), 600_000)).toBe(0);
  expect(await purgePartition(bus, log.partition, endOfRecord(last), -60_000)).toBe(1);
  expect(await readLogState(bus, log.partition)).toMatchObject({ firstRecord: 2, lastRecord: 3 });
});

test("an archiver runs what is assigned to it, reports, and lets go of what is not", async () => {
  const log = await newLog();
  await log.append(1);
  let mine = true;
  const reports: unknown[] = [];
  const archiver = new Followers({
    bus,
    logger: silentLogger(),
    partitions: PARTITIONS,
    isMine: (number) => mine && number === log.partition,
    open: (number) =>
      new PartitionJourney({
        bus,
        partition: number,
        archive: store.archive,
        logger: silentLogger(),
        replayWindowMs: 600_000,
      }),
    report: async (number, report) => {
      reports.push({ number, ...report });
    },
  });
  running.push(archiver);
  archiver.start();
  await until("it is archived", archivedRecord(log.partition, 1));
  await until("it is counted", () => archiver.load()["written"] === 1);
  expect(archiver.load()).toMatchObject({ partitions: 1 });
  await until("it reports", () => reports.length > 0);
  expect(reports[0]).toEqual({ number: log.partition, epoch: 1, position: endOfRecord(1), lag: 0 });
  mine = false;
  await until("it lets go", () => archiver.load()["partitions"] === 0);
  expect(archiver.load()).toMatchObject({ written: 1 });
}, 60_000);
