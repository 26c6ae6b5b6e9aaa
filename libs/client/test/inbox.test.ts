import type { Event, InboxPosition } from "@carillon/protocol";
import { Inbox } from "../src/inbox/inbox";
import { SeqRanges } from "../src/inbox/seq-ranges";
import { MemoryStorage } from "../src/storage/storage";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const event = (seq: number) => ({ conversationId: "p:a:b", seq, senderId: "a", content: `${seq}` }) as Event;
const events = (from: number, to: number): [number, Event][] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, event(from + i)]);

function inboxOf(storage = new MemoryStorage()) {
  const shown: number[] = [];
  const received: InboxPosition[] = [];
  const hooks = { handle: undefined as Promise<unknown> | undefined, synced: () => {}, reconnects: 0, resyncs: 0 };
  const inbox = new Inbox({
    storage,
    show: ({ seq }) => {
      shown.push(seq);
      return hooks.handle;
    },
    received: (position) => void received.push(position),
    reconnect: () => void hooks.reconnects++,
    resync: () => {
      hooks.resyncs++;
      return new Promise<void>((resolve) => {
        hooks.synced = resolve;
      });
    },
  });
  return { inbox, shown, received, hooks, storage };
}

const empty = { inbox: { epoch: "e", seq: 0 }, resume: "none" } as const;

test("RECEIVED goes 50 ms after the first event, at once at 20, and never before it is stored", async () => {
  const { inbox, received, storage } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(40);
  inbox.deliver({ epoch: "e", events: events(2, 3) });
  await jest.advanceTimersByTimeAsync(9);
  expect(received).toEqual([]);
  await jest.advanceTimersByTimeAsync(1);
  expect(received).toEqual([{ epoch: "e", seq: 3 }]);
  expect(JSON.parse((await storage.get("inbox"))!)).toEqual({ epoch: "e", seq: 3 });
  inbox.deliver({ epoch: "e", events: events(4, 23) });
  await jest.advanceTimersByTimeAsync(0);
  expect(received.at(-1)).toEqual({ epoch: "e", seq: 23 });
});

test("what listeners still work on is not acknowledged", async () => {
  const { inbox, received, hooks } = inboxOf();
  let done: (value: unknown) => void = () => {};
  hooks.handle = new Promise((resolve) => {
    done = resolve;
  });
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(1_000);
  expect([received, inbox.position]).toEqual([[], { epoch: "e", seq: 0 }]);
  done(undefined);
  await jest.advanceTimersByTimeAsync(0);
  expect([received, inbox.position]).toEqual([[{ epoch: "e", seq: 1 }], { epoch: "e", seq: 1 }]);
});

test("a replay from the cursor shows nothing twice; a hole gives the connection up", async () => {
  const { inbox, shown, hooks } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 5) });
  inbox.open({ inbox: { epoch: "e", seq: 7 }, resume: "replay" });
  inbox.deliver({ epoch: "e", events: events(1, 7) });
  inbox.deliver({ epoch: "e", events: events(6, 8) });
  expect(shown).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  inbox.deliver({ epoch: "e", events: events(10, 10) });
  expect([shown.length, hooks.reconnects]).toEqual([8, 1]);
});

test("another epoch: events go on, the cursor stays until the resync is done", async () => {
  const { inbox, shown, received, hooks } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(50);
  inbox.deliver({ epoch: "f", events: [] });
  inbox.deliver({ epoch: "f", events: [[1, event(2)]] });
  await jest.advanceTimersByTimeAsync(1_000);
  expect([shown, received.length, inbox.position, hooks.resyncs]).toEqual([[1, 2], 1, { epoch: "e", seq: 1 }, 1]);
  hooks.synced();
  await jest.advanceTimersByTimeAsync(0);
  expect([received.at(-1), inbox.position]).toEqual([
    { epoch: "f", seq: 1 },
    { epoch: "f", seq: 1 },
  ]);
});

test("ranges know every number once, in whatever order they come", () => {
  const ranges = new SeqRanges();
  const numbers = [5, 1, 2, 4, 9, 3, 8, 7, 6];
  expect(numbers.map((seq) => ranges.add(seq))).toEqual(numbers.map(() => true));
  expect(numbers.map((seq) => ranges.add(seq))).toEqual(numbers.map(() => false));
  expect(ranges.size).toBe(1);
});
