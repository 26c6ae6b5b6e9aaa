import { sleep } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import { type Bus, endOfRecord, type LoggedEvent } from "@carillon/bus";
import { encodeEvent, peekEvent, privateConversationId } from "@carillon/protocol";
import { type InboxDelivery, type Inboxes, type RecentEvents, RedisRefusal } from "@carillon/store";
import type { GroupState } from "../src/decide/group-state";
import { FanOut, type FanOutOptions, type Lane, type RefusedDelivery } from "../src/fan-out/fan-out";

const settle = () => new Promise((resolve) => setImmediate(resolve));

function event(seq: number, conversationId = privateConversationId("alice", "bob")): LoggedEvent {
  const [senderId, clientMsgId] = ["alice", `c${seq}`];
  const head = { conversationId, seq, senderId, messageId: `${seq}`, clientMsgId, sentAt: 1 };
  const bytes = encodeEvent({ ...head, kind: "message", contentType: "text", content: "hello" });
  const origin = { replyTo: "g", boot: "b", connection: 1, requestId: 1 };
  return { senderId, clientMsgId, digest: "d", origin, event: bytes };
}

/** A fan-out over stores that can be held, broken and watched. */
function newFanOut(changes: Partial<FanOutOptions> = {}) {
  const world = {
    now: 0,
    delivered: [] as string[],
    aside: [] as RefusedDelivery[],
    uncertain: 0,
    log: [] as [number, LoggedEvent[]][],
    /** Each call of `deliver` waits for it. */
    gate: Promise.resolve(),
    isAway: false,
    refuses: undefined as string | undefined,
  };
  const inboxes = {
    deliver: async (_partition: number, lane: Lane, deliveries: InboxDelivery[]) => {
      await world.gate;
      if (world.isAway) throw new Error("Redis is away");
      const users = new Set(deliveries.flatMap(({ recipients }) => recipients));
      if (world.refuses !== undefined && users.has(world.refuses))
        throw new RedisRefusal(new Error("too many results to unpack"));
      for (const { event: bytes, recipients } of deliveries) {
        for (const user of recipients) world.delivered.push(`${lane} ${user} ${peekEvent(bytes).seq}`);
      }
      return { redisLife: "1", inboxes: [] };
    },
    erase: async () => {},
    setFanoutPosition: async () => {},
  };
  const group = { recipients: () => ["alice", "carol"] };
  const options: FanOutOptions = {
    partition: 0,
    bus: { logger: silentLogger(), clock: { monotonic: () => world.now } as Bus["clock"] },
    inboxes: inboxes as unknown as Inboxes,
    recent: { add: async () => {} } as unknown as RecentEvents,
    downlink: {
      ...{ answers: () => {}, pushes: () => {}, announce: () => {}, groups: () => {} },
      renewLinks: () => world.uncertain++,
    },
    casts: { cast: () => {} },
    groups: { get: () => group as unknown as GroupState, load: async () => new Map() },
    setAside: async (refused) => void world.aside.push(refused),
    readEvents: async (_lane, from, onRecord) => {
      for (const [seq, events] of world.log) if (seq >= from) await onRecord(seq, events);
    },
    ...changes,
  };
  return { world, fanOut: new FanOut(options, -1) };
}

async function isOpen(fanOut: FanOut): Promise<boolean> {
  let open = false;
  void fanOut.room().then(() => {
    open = true;
  });
  await settle();
  return open;
}

/** `deliver` waits until the returned function is called. */
function hold(world: { gate: Promise<void> }): () => void {
  let open: () => void = () => {};
  world.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

test("an event that is added while the lane ends is delivered all the same (lost wake-up)", async () => {
  const { world, fanOut } = newFanOut();
  for (let seq = 1; seq <= 50; seq++) {
    fanOut.add(seq, [event(seq)]);
    // At each distance, in microtasks, from the end of the round before.
    for (let ticks = 0; ticks < seq; ticks++) await Promise.resolve();
  }
  await settle();
  expect(world.delivered.filter((each) => each.includes("bob"))).toHaveLength(50);
  expect(fanOut.position).toBe(endOfRecord(50));
});

test("no round is taken while delivery is more than 500 ms behind, until it has caught up", async () => {
  const { world, fanOut } = newFanOut();
  const release = hold(world);
  fanOut.add(1, [event(1)]);
  world.now = 400;
  fanOut.add(2, [event(2)]);
  await settle();
  expect([fanOut.lagMs, await isOpen(fanOut)]).toEqual([400, true]);
  world.now = 501;
  expect([fanOut.lagMs, await isOpen(fanOut)]).toEqual([501, false]);
  release();
  await settle();
  expect([fanOut.lagMs, await isOpen(fanOut)]).toEqual([0, true]);
});

test("while Redis does not answer, or is away, rounds go on", async () => {
  const { world, fanOut } = newFanOut();
  const release = hold(world);
  fanOut.add(1, [event(1)]);
  world.now = 1_001;
  expect([fanOut.isStalled, await isOpen(fanOut)]).toEqual([true, true]);
  world.isAway = true;
  release();
  await settle();
  expect([fanOut.isStalled, await isOpen(fanOut)]).toEqual([true, true]);
  await fanOut.stop();
});

test("gateways are asked to look at inboxes once for all failures in a row", async () => {
  const { world, fanOut } = newFanOut();
  world.isAway = true;
  world.log = [[1, [event(1)]]];
  fanOut.add(1, [event(1)]);
  while (!fanOut.isStalled) await settle();
  await sleep(200);
  expect(world.uncertain).toBe(0);
  world.isAway = false;
  while (fanOut.isStalled) await sleep(20);
  expect([world.uncertain, world.delivered]).toEqual([1, ["private alice 1", "private bob 1"]]);
});

test("while the log is read again twice as much must be delivered as is added", async () => {
  const { world, fanOut } = newFanOut();
  world.log = Array.from({ length: 2_000 }, (_, i) => [i + 1, [event(i + 1)]]);
  let release = hold(world);
  fanOut.catchUp();
  expect(await isOpen(fanOut)).toBe(true);
  fanOut.add(
    2_001,
    Array.from({ length: 400 }, (_, i) => event(2_001 + i)),
  );
  expect(await isOpen(fanOut)).toBe(false);
  const first = release;
  release = hold(world);
  first();
  await settle();
  // One round of the log: 342 messages for two users each, less than twice 400.
  expect(await isOpen(fanOut)).toBe(false);
  release();
  await settle();
  await fanOut.drain(1_000);
  expect(await isOpen(fanOut)).toBe(true);
  expect(world.delivered).toHaveLength(2 * 2_400);
});

test("private messages do not wait for a group whose members nobody knows", async () => {
  let answer: (members: string[]) => void = () => {};
  const members = new Promise<Map<string, GroupState>>((resolve) => {
    answer = (userIds) => resolve(new Map([["choir", { recipients: () => userIds } as unknown as GroupState]]));
  });
  const { world, fanOut } = newFanOut({ groups: { get: () => undefined, load: () => members } });
  fanOut.add(1, [event(1, "g:choir"), event(1)]);
  fanOut.add(2, [event(2)]);
  await settle();
  expect(world.delivered).toEqual(["private alice 1", "private bob 1", "private alice 2", "private bob 2"]);
  // What others may forget of the log is what both lanes are done with.
  expect(fanOut.position).toBe(-1);
  world.now = 5_000;
  expect(await isOpen(fanOut)).toBe(true);
  answer(["carol"]);
  await settle();
  expect([world.delivered.at(-1), fanOut.position]).toEqual(["group carol 1", endOfRecord(2)]);
});

test("what one user's inbox refuses is put aside, and everybody else's is delivered", async () => {
  const { world, fanOut } = newFanOut();
  world.refuses = "bob";
  const carols = privateConversationId("alice", "carol");
  fanOut.add(1, [event(1), event(1, carols), event(2)]);
  await settle();
  expect(world.aside.map(({ userId, events, reason }) => [userId, events.length, reason])).toEqual([
    ["bob", 2, "too many results to unpack"],
  ]);
  expect([...world.delivered].sort()).toEqual(["alice 1", "alice 1", "alice 2", "carol 1"].map((s) => `private ${s}`));
  expect([fanOut.position, fanOut.isStalled]).toEqual([endOfRecord(1), false]);
  // However many halves were refused: each time costs every gateway a look at all its inboxes.
  expect(world.uncertain).toBe(1);
});
