/** Tests of order and holes: each rule alone, then all of them against a model with random faults. */
import type { Event } from "@carillon/protocol";
import fc from "fast-check";
import { Timeline } from "../src/order/timeline";
import { MemoryStorage } from "../src/storage/storage";
import { Device, FakeServer, type PullFault } from "./fixtures/fake-server";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const settle = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
const numbers = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
const event = (seq: number, conversationId = "c") => ({ conversationId, seq }) as Event;

async function online(server = new FakeServer(), storage = new MemoryStorage()) {
  const device = new Device(server, storage);
  await device.start();
  await settle(20);
  return { server, device, storage };
}

/** Gives a device an event that its inbox delivers out of order: the conversation has a hole. */
function offer(device: Device, inboxSeq: number, ...seqs: number[]): void {
  device.inbox.deliver({ epoch: "1", events: seqs.map((seq, i) => [inboxSeq + i, event(seq)]) });
}

test("a hole is fetched, early events wait, and each number is shown once and in order", async () => {
  const { server, device } = await online();
  server.write("c", 9);
  offer(device, 1, 1, 4, 6, 4);
  expect(device.numbers("c")).toEqual([1]);
  await settle(100);
  expect(device.numbers("c")).toEqual(numbers(1, 6));
  expect(server.pulls).toMatchObject([
    { fromSeq: 2, toSeq: 3 },
    { fromSeq: 5, toSeq: 5 },
  ]);
  offer(device, 5, 2, 6, 7);
  expect(device.numbers("c")).toEqual(numbers(1, 7));
});

test("a conversation starts with the first event that arrives; older events are history", async () => {
  const { server, device } = await online();
  server.write("c", 9);
  offer(device, 1, 5, 3, 6);
  await settle(60_000);
  expect([device.numbers("c"), server.pulls]).toEqual([[5, 6], []]);
});

const change = (seq: number, type: string) =>
  ({ ...event(seq), kind: "system", senderId: "me", content: JSON.stringify({ type, userIds: ["me"] }) }) as Event;

test("a user who returns to a group does not request the events of their absence", async () => {
  const { server, device } = await online();
  server.write("c", 9);
  offer(device, 1, 3);
  device.inbox.deliver({
    epoch: "1",
    events: [
      [2, change(4, "removed")],
      [3, change(8, "joined")],
    ],
  });
  await settle(60_000);
  expect([device.numbers("c"), server.pulls, device.gaps]).toEqual([[3, 4, 8], [], []]);
  offer(device, 4, 9);
  expect(device.numbers("c")).toEqual([3, 4, 8, 9]);
});

test("events that the user missed before they left are fetched, also after a restart of the device", async () => {
  const { server, device, storage } = await online();
  server.write("c", 14);
  offer(device, 1, 3);
  device.inbox.deliver({ epoch: "1", events: [[2, change(6, "removed")]] });
  await settle(1_000);
  expect(device.numbers("c")).toEqual([3, 4, 5, 6]);
  await device.inbox.stop();
  const again = new Device(server, storage);
  await again.start();
  again.inbox.deliver({
    epoch: "1",
    events: [
      [3, change(9, "joined")],
      [4, change(12, "removed")],
      [5, change(14, "joined")],
    ],
  });
  await settle(60_000);
  expect(again.numbers("c")).toEqual([9, 10, 11, 12, 14]);
  expect(server.pulls).toMatchObject([
    { fromSeq: 4, toSeq: 5 },
    { fromSeq: 10, toSeq: 11 },
  ]);
});

test("after three tries the gap is reported and later events are shown; the next connection tries again", async () => {
  const { server, device } = await online();
  server.write("c", 9);
  server.pullFaults.push("empty", "empty", "empty");
  offer(device, 1, 1, 4);
  await settle(20_000);
  expect([device.gaps, device.numbers("c"), server.pulls.length]).toEqual([
    [{ conversationId: "c", fromSeq: 2, toSeq: 3 }],
    [1, 4],
    3,
  ]);
  server.pullFaults.push("empty", "empty", "empty");
  device.lose();
  server.connect(device);
  await settle(20_000);
  expect([device.gaps.length, server.pulls.length]).toEqual([1, 6]);
  // The client also tries again every minute, as a connection may last long.
  await settle(60_000);
  expect(device.numbers("c")).toEqual([1, 4, 2, 3]);
});

test("the client asks a server that is busy for some seconds until it answers, and gives up if it stays busy", async () => {
  const { server, device } = await online();
  server.write("c", 9);
  // An api that was killed and restarts gives more BUSY answers than the client makes tries.
  server.pullFaults.push(...Array<"busy">(5).fill("busy"));
  offer(device, 1, 1, 4);
  await settle(25_000);
  expect([device.gaps, device.numbers("c"), server.pulls.length]).toEqual([[], [1, 2, 3, 4], 6]);
  server.pullFaults.push(...Array<"busy">(100).fill("busy"));
  offer(device, 3, 6);
  await settle(90_000);
  expect([device.gaps, device.numbers("c")]).toEqual([
    [{ conversationId: "c", fromSeq: 5, toSeq: 5 }],
    [1, 2, 3, 4, 6],
  ]);
});

test("the next process knows a hole that was given up", async () => {
  const { server, device, storage } = await online();
  server.write("c", 9);
  server.pullFaults.push("refused");
  offer(device, 1, 1, 4);
  await settle(1_000);
  expect(device.gaps).toHaveLength(1);
  device.lose();
  const next = await online(server, storage);
  await settle(1_000);
  expect(next.device.numbers("c").slice(0, 2)).toEqual([2, 3]);
});

test("the buffer is bounded: events that do not fit are dropped and fetched later", () => {
  const room = { left: 3 };
  const timeline = Timeline.undecided(room);
  timeline.begin(0);
  for (const seq of [3, 4, 5, 6, 7]) expect(timeline.offer(event(seq))).toEqual([]);
  expect([room.left, timeline.missing]).toEqual([0, [1, 2]]);
  const shown = [1, 2].flatMap((seq) => timeline.offer(event(seq)));
  expect(shown.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect([room.left, timeline.missing]).toEqual([3, [6, 7]]);
});

test("after a long absence 10,000 events are fetched during live ones, with at most 1,000 in memory", async () => {
  const { server, device } = await online();
  server.write("c", 1);
  server.deliver(device, 1, 1);
  await settle(100);
  device.lose();
  server.write("c", 9_999);
  server.write("other", 3);
  server.connect(device);
  server.write("c", 1_500);
  server.deliver(device, 1_500, 64);
  server.write("new", 2);
  server.deliver(device, 2, 2);
  await settle(10_000);
  expect(device.numbers("c")).toEqual(numbers(1, 11_500));
  expect([device.numbers("other"), device.numbers("new")]).toEqual([
    [1, 2, 3],
    [1, 2],
  ]);
  expect([device.resyncs.length, device.gaps]).toEqual([1, []]);
});

test("a resync fetches the newest conversations first, four at a time, and before them the one that the app opens", async () => {
  const { server, device } = await online();
  const names = numbers(1, 12).map((i) => `c${i}`);
  for (const name of names) server.write(name, 1);
  server.deliver(device, 12, 12);
  await settle(100);
  device.lose();
  for (const name of names) server.write(name, 100);
  server.connect(device);
  await settle(10);
  expect(server.pulls).toEqual([]);
  device.inbox.first("c12");
  await settle(10);
  device.inbox.first("c12");
  await settle(200);
  const order = [...new Set(server.pulls.map(({ conversationId }) => conversationId))];
  expect(order).toEqual(["c1", "c2", "c3", "c4", "c12", ...names.slice(4, 11)]);
  for (const name of names) expect(device.numbers(name)).toEqual(numbers(1, 101));
});

test("a new device treats old events as history and shows new ones, even if the list includes them already", async () => {
  const server = new FakeServer();
  server.write("old", 10);
  const { device } = await online(server);
  expect([device.resyncs.length, device.numbers("old"), server.pulls]).toEqual([1, [], []]);
  device.lose();
  server.connect(device);
  server.write("old", 2);
  await settle(20);
  server.deliver(device, 2, 1);
  await settle(100);
  expect(device.numbers("old")).toEqual([11, 12]);
  // Once the device knows all conversations, one that a resync finds is new: the device missed all of it.
  device.lose();
  server.write("begun meanwhile", 40);
  server.connect(device);
  await settle(1_000);
  expect([device.numbers("begun meanwhile"), device.numbers("old")]).toEqual([numbers(1, 40), [11, 12]]);
});

type Step =
  | { do: "write"; to: number; count: number }
  | { do: "deliver"; count: number; size: number; fault: "lost" | "twice" | "swapped" | undefined }
  | { do: "wipe" | "lose" | "crash" }
  | { do: "wait"; ms: number }
  | { do: "fail"; faults: PullFault[] };

const step = (faults: PullFault[]): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("write"), to: fc.nat(3), count: fc.integer({ min: 1, max: 25 }) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("deliver"),
        count: fc.integer({ min: 1, max: 40 }),
        size: fc.integer({ min: 1, max: 8 }),
        fault: fc.constantFrom(undefined, undefined, "lost", "twice", "swapped"),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(1, 15, 60, 700, 5_000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("wipe", "lose", "crash") }) },
    ...(faults.length === 0
      ? []
      : [
          {
            weight: 1,
            arbitrary: fc.record({
              do: fc.constant("fail"),
              faults: fc.array(fc.constantFrom(...faults), { minLength: 1, maxLength: 4 }),
            }),
          },
        ]),
  ) as fc.Arbitrary<Step>;

/** Runs the steps, then heals all faults. @returns the runs of the device, and the content of the storage at each start */
async function run(steps: Step[]) {
  const server = new FakeServer();
  const storage = new MemoryStorage();
  const lives = [new Device(server, storage)];
  const knownAtStart = [new Map<string, number>()];
  await lives[0]!.start();
  // A device that crashes before it has stored that it is new starts as new again, and all events are history for it.
  await settle(1);
  for (const one of steps) {
    const device = lives.at(-1) as Device;
    if (one.do === "write") server.write(`c${one.to}`, one.count);
    if (one.do === "deliver") server.deliver(device, one.count, one.size, one.fault);
    if (one.do === "wipe") server.wipe(device);
    if (one.do === "lose") device.lose();
    if (one.do === "wait") await settle(one.ms);
    if (one.do === "fail") server.pullFaults.push(...one.faults);
    if (one.do === "crash") {
      // The process is killed: it stores and requests nothing any more.
      const values = new Map<string, string>();
      for (const key of await storage.keys()) values.set(key, (await storage.get(key)) as string);
      device.lose();
      await device.inbox.stop();
      for (const key of await storage.keys()) await storage.delete(key);
      for (const [key, value] of values) await storage.set(key, value);
      const known = [...values].filter(([key]) => key.startsWith("conversation/"));
      knownAtStart.push(new Map(known.map(([key, value]) => [key.slice(13), JSON.parse(value).upTo])));
      lives.push(new Device(server, storage));
      await (lives.at(-1) as Device).start();
    } else device.reconnect();
  }
  const device = lives.at(-1) as Device;
  server.pullFaults.length = 0;
  // The loss of a last frame shows when the connection ends, and it ends when frames are lost.
  device.lose();
  for (let round = 0; round < 4; round++) {
    device.reconnect();
    server.deliver(device, 10_000, 64);
    await settle(65_000);
  }
  await device.inbox.stop();
  return { server, lives, knownAtStart };
}

test.each<[string, PullFault[]]>([
  ["and a server that answers", []],
  ["and a PULL that fails", ["busy", "refused", "empty", "one", "strange"]],
])(
  "with lost, repeated, swapped and wiped events and crashes %s, all events are shown once and in order",
  async (_, faults) => {
    let [resyncs, pulls, gaps, crashes] = [0, 0, 0, 0];
    const property = fc.asyncProperty(fc.array(step(faults), { minLength: 5, maxLength: 40 }), async (steps) => {
      const { server, lives, knownAtStart } = await run(steps);
      for (const [conversationId, written] of server.conversations) {
        const told = lives.flatMap((life) => life.gaps).filter((gap) => gap.conversationId === conversationId);
        const late = (seq: number) => told.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);
        const all = new Set<number>();
        lives.forEach((life, i) => {
          const shown = life.numbers(conversationId);
          expect(new Set(shown).size).toBe(shown.length);
          const inTime = shown.filter((seq) => !late(seq));
          expect(inTime).toEqual([...inTime].sort((a, b) => a - b));
          const known = knownAtStart[i]!.get(conversationId) ?? 0;
          for (const seq of inTime) expect(seq).toBeGreaterThan(known);
          for (const seq of shown) all.add(seq);
        });
        expect([...all].sort((a, b) => a - b)).toEqual(numbers(1, written.length));
      }
      gaps += lives.flatMap((life) => life.gaps).length;
      resyncs += lives.flatMap((life) => life.resyncs).length;
      pulls += server.pulls.length;
      crashes += lives.length - 1;
      if (faults.length === 0) expect(lives.flatMap((life) => life.gaps)).toEqual([]);
    });
    await fc.assert(property, { numRuns: 300 });
    // A run without any of these faults tests nothing.
    expect(Math.min(resyncs, pulls, crashes, faults.length === 0 ? 1 : gaps)).toBeGreaterThan(0);
  },
  120_000,
);
