/**
 * An account that may create a consumer of any stream can have NATS deliver that stream's messages to every subject, whatever its
 * own rights are. Such a message still names the subject on which it was published, and nobody takes it for a message of another role.
 */
import { randomId } from "@carillon/base";
import {
  type Bus,
  DownlinkReceiver,
  DownlinkSender,
  encodeDownlink,
  encodeRequestBatch,
  LogWriter,
  logSubject,
  type QueuedBatch,
  queueSubject,
  RequestConsumer,
  readLastRecord,
  readLog,
  readLogState,
} from "@carillon/bus";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";
import { headers } from "@nats-io/transport-node";

let servers: TestServers<{ nats: true }>;
let bus: Bus;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus } = await openTestBus(servers.nats, 2));
  await bus.jsm.streams.add({ name: "OTHER", subjects: ["other.*"] });
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

/** Has NATS deliver these bytes to a subject, as an account without any right on that subject can. */
async function forge(to: string, bytes: Uint8Array, header = headers()): Promise<void> {
  const from = `other.${randomId(6)}`;
  await bus.js.publish(from, bytes, { headers: header });
  const config = { name: randomId(8), deliver_subject: to, filter_subject: from, ack_policy: "none" };
  const order = JSON.stringify({ stream_name: "OTHER", config });
  const answer = await bus.connection.request(`$JS.API.CONSUMER.CREATE.OTHER.${config.name}.${from}`, order);
  expect(answer.json()).not.toHaveProperty("error");
}

const lastRecordOf = async (partition: number) => (await readLogState(bus, partition)).lastRecord;

test("a forged message of a worker does not reach the devices of a gateway", async () => {
  const seen: string[] = [];
  const receiver = new DownlinkReceiver({
    bus,
    gateway: "g1",
    takesOrders: true,
    onMessage: (message) => seen.push(message.kind),
    onBreak: () => {},
  });
  receiver.start();
  const place = { sender: "w1", linkId: "b1.1", number: 1 };
  await forge("im.gw.g1", encodeDownlink(place, { kind: "groups", news: [] }));
  const sender = new DownlinkSender(bus, "w1");
  sender.setGateways([{ nodeId: "g1", boot: "b1" }]);
  await until("a true message arrives after the forged one", () => {
    sender.send("g1", { kind: "announcements", announcements: [] });
    return seen.length > 1;
  });
  expect(new Set(seen)).toEqual(new Set(["announcements"]));
  receiver.stop();
});

test("an api's message is dropped when only a worker may send it", async () => {
  const seen: string[] = [];
  const receiver = new DownlinkReceiver({
    bus,
    gateway: "g2",
    takesOrders: true,
    onMessage: (message) => seen.push(message.kind),
    onBreak: () => {},
  });
  receiver.start();
  const api = new DownlinkSender(bus, "api.a1");
  api.setGateways([{ nodeId: "g2", boot: "b1" }]);
  api.pushes("g2", [{ event: new Uint8Array([1]), targets: [] }]);
  api.notices("g2", [{ userId: "alice", frame: new Uint8Array([1, 2, 3]) }]);
  api.answers("g2", "b1", [{ connection: 1, frame: new Uint8Array([1]) }]);
  expect(await api.sendConfirmed("g2", { kind: "closings", closings: [] }, 10_000)).toBe(true);
  expect(seen).toEqual(["closings"]);
  receiver.stop();
});

test("forged requests become a dead letter, and the true ones after them are handed out", async () => {
  const batches: QueuedBatch[] = [];
  const forged = encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: [] });
  await forge(queueSubject(0), forged);
  await until(
    "the forged batch is in the queue",
    async () => (await bus.jsm.streams.info("IN_0")).state.messages === 1,
  );
  await bus.js.publish(queueSubject(0), forged);
  const { streamLife } = await readLogState(bus, 0);
  const consumer = new RequestConsumer({
    ...{ bus, partition: 0, ownerEpoch: 1, streamLife },
    covered: () => 0,
    onBatch: (batch) => batches.push(batch),
    onRestart: () => {},
    onLost: () => {},
  });
  await consumer.start();
  await until("both batches are handed out", () => batches.length === 2);
  expect(batches.map(({ data }) => data.length)).toEqual([0, forged.length]);
  await consumer.stop();
});

test("a forged record of the log is not folded, whatever its header says", async () => {
  const writer = new LogWriter({
    ...{ bus, partition: 1, ownerEpoch: 1, boot: "b1", streamLife: "1" },
    lastRecord: 0,
    room: Number.POSITIVE_INFINITY,
  });
  await writer.append({ kind: "release", worker: "w1" }, { covered: 0, fanout: 0 });
  const written = await bus.jsm.streams.getMessage("LOG_1", { seq: 1 });
  const copied = headers();
  copied.set("Carillon-Log", written!.header.get("Carillon-Log"));
  await forge(logSubject(1), written!.data, copied);
  await until("the forged record is in the log", async () => (await lastRecordOf(1)) === 2);
  await expect(readLog(bus, 1, 1, 2, () => {})).rejects.toThrow("was published to other.");
  expect((await readLastRecord(bus, 1))!.seq).toBe(1);
});
