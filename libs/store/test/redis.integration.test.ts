import { silentLogger } from "@carillon/base/node";
import { decodeEvent, encodeEvent } from "@carillon/protocol";
import {
  ALL_DEVICES,
  type InboxDelivery,
  Inboxes,
  keys,
  Marks,
  RecentEvents,
  RedisRefusal,
  RedisStore,
  Sessions,
} from "@carillon/store";
import { startServers, type TestServers } from "@carillon/testkit";
import { Redis } from "ioredis";

let servers: TestServers;
let store: RedisStore;
let inboxes: Inboxes;
let sessions: Sessions;
/** To put in what no code of ours would. */
let raw: Redis;
let user = 0;

beforeAll(async () => {
  servers = await startServers({ redis: true });
  store = await RedisStore.connect({ url: servers.redis!.url }, silentLogger());
  raw = new Redis(servers.redis!.url);
  inboxes = new Inboxes(store);
  sessions = new Sessions(store);
}, 120_000);

afterAll(async () => {
  await raw.quit();
  await store.close();
  await servers.stop();
});

const newUser = () => `user${++user}`;
const delivery = (position: number, ...recipients: string[]): InboxDelivery => ({
  position,
  event: Buffer.from(`event ${position}`),
  recipients,
});
const session = (deviceId: string, connection: number, since = connection, platform = "web") => ({
  deviceId,
  gateway: "g1",
  boot: "b1",
  connection,
  platform,
  since,
});
const texts = (events: [number, Uint8Array][]) => events.map(([seq, event]) => [seq, Buffer.from(event).toString()]);

test("a Redis Cluster is refused with a clear word", async () => {
  const cluster = await startServers({ redis: true, redisIsCluster: true });
  await expect(RedisStore.connect({ url: cluster.redis.url }, silentLogger())).rejects.toThrow(
    "it is a Redis Cluster, which is not supported yet",
  );
  await cluster.stop();
});

describe("inboxes", () => {
  test("number events per user without a gap and tell where the user's devices are", async () => {
    const [alice, bob] = [newUser(), newUser()];
    await sessions.open(alice, session("phone", 7));
    await sessions.open(alice, session("tablet", 8));
    await sessions.open(alice, { ...session("laptop", 9), gateway: "g2" });
    const { inboxes: first } = await inboxes.deliver(0, "private", [
      delivery(1, alice, bob),
      delivery(2, bob),
      delivery(3, alice),
    ]);
    expect(first).toEqual([
      expect.objectContaining({
        userId: alice,
        seq: 2,
        added: [0, 2],
        gateways: ["g1", "g2"],
      }),
      expect.objectContaining({ userId: bob, seq: 2, added: [0, 1], gateways: [] }),
    ]);
    const page = await inboxes.read(bob, 0, 64);
    expect(texts(page.events)).toEqual([
      [1, "event 1"],
      [2, "event 2"],
    ]);
    expect(page).toMatchObject({ epoch: first[1]!.inboxEpoch, seq: 2 });
  });

  test("a redo adds only what was not there, per partition", async () => {
    const alice = newUser();
    await inboxes.deliver(0, "private", [delivery(10, alice), delivery(11, alice)]);
    await inboxes.deliver(1, "private", [delivery(5, alice)]);
    const { inboxes: redone } = await inboxes.deliver(0, "private", [
      delivery(10, alice),
      delivery(11, alice),
      delivery(12, alice),
    ]);
    expect(redone[0]).toMatchObject({ seq: 4, added: [2] });
    const { inboxes: nothing } = await inboxes.deliver(0, "private", [delivery(12, alice)]);
    expect(nothing[0]).toMatchObject({ seq: 4, added: [] });
  });

  test("positions of a log that is years old stay exact", async () => {
    const alice = newUser();
    const position = 2 ** 52 + 12_345;
    await inboxes.deliver(0, "private", [delivery(position, alice)]);
    const { inboxes: again } = await inboxes.deliver(0, "private", [
      delivery(position, alice),
      delivery(position + 1, alice),
    ]);
    expect(again[0]).toMatchObject({ seq: 2, added: [1] });
  });

  test("keep the newest thousand", async () => {
    const alice = newUser();
    for (let batch = 0; batch < 11; batch++) {
      const events = Array.from({ length: 100 }, (_, i) => delivery(batch * 100 + i, alice));
      await inboxes.deliver(0, "private", events);
    }
    const page = await inboxes.read(alice, 0, 2_000);
    expect(page.seq).toBe(1_100);
    expect(page.events.map(([seq]) => seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => 101 + i));
  });

  test("a Redis of another life begins another epoch, also when it kept its data", async () => {
    const alice = newUser();
    const { redisLife, inboxes: before } = await inboxes.deliver(0, "private", [delivery(1, alice)]);
    await servers.redis!.restart();
    let after = await inboxes.heads([alice]).catch(() => undefined);
    while (after === undefined) after = await inboxes.heads([alice]).catch(() => undefined);
    expect(after.redisLife).not.toBe(redisLife);
    expect(after.heads[0]!.epoch).not.toBe(before[0]!.inboxEpoch);
    expect(after.heads[0]!.seq).toBe(0);
    const { inboxes: again } = await inboxes.deliver(0, "private", [delivery(1, alice)]);
    expect(again[0]).toMatchObject({ inboxEpoch: after.heads[0]!.epoch, seq: 1, added: [0] });
  });

  test("remember the fan-out position", async () => {
    expect(await inboxes.fanoutPosition(17)).toBeUndefined();
    await inboxes.setFanoutPosition(17, 2 ** 50);
    expect(await inboxes.fanoutPosition(17)).toBe(2 ** 50);
  });
});

describe("sessions", () => {
  test("a newer connection of the device replaces the older, an older one is refused", async () => {
    const alice = newUser();
    expect((await sessions.open(alice, session("phone", 2)))!.replaced).toEqual([]);
    expect(await sessions.open(alice, session("phone", 1))).toBeUndefined();
    expect((await sessions.open(alice, session("phone", 3)))!.replaced).toEqual([
      expect.objectContaining({ deviceId: "phone", connection: 2 }),
    ]);
    await sessions.close(alice, session("phone", 2));
    expect(await sessions.of(alice)).toHaveLength(1);
    await sessions.close(alice, session("phone", 3));
    expect(await sessions.of(alice)).toEqual([]);
  });

  test("one device per platform, if so wished", async () => {
    const alice = newUser();
    await sessions.open(alice, session("phone", 1, 1, "ios"));
    await sessions.open(alice, session("laptop", 2, 2, "desktop"));
    const opened = await sessions.open(alice, session("tablet", 3, 3, "ios"), { ...ALL_DEVICES, onePerPlatform: true });
    expect(opened!.replaced.map(({ deviceId }) => deviceId)).toEqual(["phone"]);
    expect((await sessions.of(alice)).map(({ deviceId }) => deviceId).sort()).toEqual(["laptop", "tablet"]);
  });

  test("beyond the most devices, those that have been connected for longest make way", async () => {
    const alice = newUser();
    for (const [at, deviceId] of ["d3", "d1", "d2"].entries())
      await sessions.open(alice, session(deviceId, at, at + 1));
    const opened = await sessions.open(alice, session("d4", 4, 4), { ...ALL_DEVICES, most: 2 });
    expect(opened!.replaced.map(({ deviceId }) => deviceId)).toEqual(["d3", "d1"]);
    // A device that connects again is no other one.
    const again = await sessions.open(alice, session("d4", 5, 5), { ...ALL_DEVICES, most: 2 });
    expect(again!.replaced.map(({ deviceId }) => deviceId)).toEqual(["d4"]);
    expect((await sessions.of(alice)).map(({ deviceId }) => deviceId).sort()).toEqual(["d2", "d4"]);
  });

  test("entries of gateways that are gone are dropped, unless they may only not be seen yet", async () => {
    const alice = newUser();
    const gateways = [{ nodeId: "g1", boot: "b1" }];
    await sessions.open(alice, { ...session("gone", 1, 1_000), boot: "b0" });
    await sessions.open(alice, { ...session("new", 2, 90_000), gateway: "g2" });
    await sessions.open(alice, session("here", 3, 1_000));
    const opened = await sessions.open(alice, session("phone", 4, 100_000), { ...ALL_DEVICES, gateways });
    expect(opened!.replaced).toEqual([]);
    expect((await sessions.of(alice)).map(({ deviceId }) => deviceId).sort()).toEqual(["here", "new", "phone"]);
    await sessions.open(alice, session("tablet", 5, 100_001), { ...ALL_DEVICES, gateways: [] });
    expect(await sessions.of(alice)).toHaveLength(4);
  });

  test("a user with thousands of entries gets their deliveries, and so does everybody else in the round", async () => {
    const [alice, bob] = [newUser(), newUser()];
    const entries = Array.from({ length: 9_000 }, (_, i) => [`d${i}`, `g1 b1 ${i} other 1`]);
    await raw.hset(keys.sessions(alice), ...entries.flat());
    const { inboxes: filled } = await inboxes.deliver(0, "private", [delivery(1, alice, bob)]);
    expect(filled.map(({ seq, gateways }) => [seq, gateways])).toEqual([
      [1, ["g1"]],
      [1, []],
    ]);
  });

  test("what a script cannot do with the data is a refusal, and no error of the connection", async () => {
    const alice = newUser();
    await raw.set(keys.sessions(alice), "no hash");
    await expect(inboxes.deliver(0, "private", [delivery(1, alice)])).rejects.toBeInstanceOf(RedisRefusal);
    await raw.del(keys.sessions(alice));
    await inboxes.reset(alice);
    const { inboxes: filled } = await inboxes.deliver(0, "private", [delivery(1, alice)]);
    expect(filled[0]).toMatchObject({ seq: 1, isNew: true });
  });

  test("the lanes of a partition have positions of their own", async () => {
    const alice = newUser();
    await inboxes.deliver(0, "private", [delivery(10, alice)]);
    const { inboxes: late } = await inboxes.deliver(0, "group", [delivery(5, alice)]);
    expect(late[0]).toMatchObject({ seq: 2, added: [0] });
    const { inboxes: again } = await inboxes.deliver(0, "group", [delivery(5, alice)]);
    expect(again[0]).toMatchObject({ seq: 2, added: [] });
  });

  test("cursors move forward inside an epoch only", async () => {
    const alice = newUser();
    const cursor = async () => (await sessions.open(alice, session("phone", ++user)))!.cursor;
    const update = (epoch: string, seq: number) => ({ userId: alice, deviceId: "phone", epoch, seq });
    expect(await cursor()).toBeUndefined();
    await sessions.received([update("e1", 5), update("e1", 3)], 1);
    expect(await cursor()).toEqual({ epoch: "e1", seq: 5 });
    await sessions.received([update("e2", 1)], 2);
    expect(await cursor()).toEqual({ epoch: "e2", seq: 1 });
  });

  test("opening tells the head and the first event held", async () => {
    const alice = newUser();
    await inboxes.deliver(0, "private", [delivery(1, alice), delivery(2, alice)]);
    const opened = await sessions.open(alice, session("phone", 1));
    expect(opened).toMatchObject({ head: { seq: 2 }, firstSeq: 1 });
    expect((await sessions.open(newUser(), session("phone", 1)))!).toMatchObject({ head: { seq: 0 }, firstSeq: 1 });
  });
});

describe("what a user has cleared", () => {
  const event = (conversationId: string, seq: number, kind: "message" | "system" = "message") =>
    encodeEvent({
      ...{ conversationId, seq, senderId: "ann", messageId: `${seq}`, clientMsgId: `id-${seq}`, sentAt: seq },
      ...{ kind, contentType: kind === "system" ? "system" : "text", content: `cleared said ${seq} content` },
    });

  test("loses its content in the own inbox, and keeps its place; all else stays", async () => {
    const [alice, bob] = [newUser(), newUser()];
    const [cleared, other] = [`p:${alice}:${bob}`, `p:${alice}:zoe`];
    const recalled = { conversationId: cleared, seq: 300 };
    // Numbers of one, two, three and five bytes.
    const numbers = [1, 127, 128, 300, 70_000, 2 ** 32 + 1];
    const events = [
      ...numbers.map((seq) => event(cleared, seq)),
      event(cleared, 70_001, "system"),
      event(other, 1),
      event(cleared, 2 ** 32 + 2),
    ];
    const [recipients, position] = [[alice, bob], Date.now()];
    await inboxes.deliver(
      0,
      "private",
      events.map((bytes, i) => ({ position: position + i, event: bytes, recipients })),
    );
    await inboxes.erase([alice], recalled);
    const seen = async (userId: string) =>
      (await inboxes.read(userId, 0, 100)).events.map(([inboxSeq, bytes]) => {
        const { conversationId, seq, content, cleared: mark } = decodeEvent(bytes);
        return [inboxSeq, conversationId, seq, content !== undefined, mark];
      });
    const before = await seen(bob);
    await inboxes.clear(alice, cleared, 2 ** 32 + 1);
    const wanted = [
      ...numbers.map((seq, i) => [i + 1, cleared, seq, false, true]),
      [7, cleared, 70_001, true, undefined],
      [8, other, 1, true, undefined],
      [9, cleared, 2 ** 32 + 2, true, undefined],
    ];
    expect(await seen(alice)).toEqual(wanted);
    await inboxes.clear(alice, cleared, 2 ** 32 + 1);
    expect(await seen(alice)).toEqual(wanted);
    expect(await seen(bob)).toEqual(before);
    await inboxes.clear(newUser(), cleared, 5);
  });

  test("is remembered beside the newest events of a large group", async () => {
    const recent = new RecentEvents(store);
    await recent.clear("g:crowd", "ann", 7);
    expect(await recent.clearedUpTo("g:crowd", "ann")).toBe(7);
    expect(await recent.clearedUpTo("g:crowd", "bob")).toBe(0);
  });
});

describe("marks", () => {
  test("move forward only, and read implies delivered", async () => {
    const marks = new Marks(store);
    const conversationId = `p:${newUser()}:${newUser()}`;
    const move = (read: number, delivered: number) => marks.move([{ conversationId, userId: "a", read, delivered }]);
    expect((await move(0, 4))[0]).toMatchObject({ read: 0, delivered: 4, readMoved: false, deliveredMoved: true });
    expect((await move(6, 0))[0]).toMatchObject({ read: 6, delivered: 6, readMoved: true, deliveredMoved: true });
    expect((await move(2, 5))[0]).toMatchObject({ read: 6, delivered: 6, readMoved: false, deliveredMoved: false });
    expect(await marks.of([{ conversationId, userIds: ["a", "b"] }])).toEqual([[{ read: 6, delivered: 6 }, undefined]]);
  });
});

describe("the newest events of a large group", () => {
  const conversationId = "g:crowd";
  const said = (seq: number) => ({
    seq,
    event: encodeEvent({
      ...{ conversationId, seq, senderId: "ann", messageId: `${seq}`, clientMsgId: `id-${seq}`, sentAt: seq },
      ...{ kind: "message", contentType: "text", content: `said ${seq}` },
    }),
  });
  const contents = async (recent: RecentEvents, from: number, to: number) =>
    (await recent.read(conversationId, from, to)).map(({ seq, event }) => [seq, decodeEvent(event).content]);

  test("are kept by number, a bounded number of them; what was erased stays so when it is told again", async () => {
    const recent = new RecentEvents(store);
    await recent.add(conversationId, [said(4), said(5), said(6)]);
    expect(await contents(recent, 5, 9)).toEqual([
      [5, "said 5"],
      [6, "said 6"],
    ]);
    await inboxes.erase([], { conversationId, seq: 5 });
    await recent.add(conversationId, [said(5), said(6), said(7)]);
    expect(await contents(recent, 1, 9)).toEqual([
      [4, "said 4"],
      [5, undefined],
      [6, "said 6"],
      [7, "said 7"],
    ]);
    await recent.add(
      conversationId,
      Array.from({ length: 600 }, (_, i) => said(8 + i)),
    );
    const kept = await contents(recent, 1, 10_000);
    expect([kept.length, kept[0]![0], kept.at(-1)![0]]).toEqual([500, 108, 607]);
    expect(await contents(new RecentEvents(store), 1, 3)).toEqual([]);
  });
});
