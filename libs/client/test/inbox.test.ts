/** Tests of the inbox without a server: what it shows, stores and acknowledges, and in which order. */
import type { ConversationRow, Event, InboxPosition } from "@carillon/protocol";
import { ConnectionLost } from "../src/connection/requests";
import { LeftOut } from "../src/events/left-out";
import { Inbox, type InboxOptions } from "../src/inbox/inbox";
import { MemoryStorage } from "../src/storage/storage";
import type { Synced } from "../src/sync/read-pages";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const event = (seq: number, conversationId = "p:a:b") =>
  ({ conversationId, seq, senderId: "a", content: `${seq}` }) as Event;
const events = (from: number, to: number): [number, Event][] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, event(from + i)]);
const row = (lastSeq: number, conversationId = "p:a:b") =>
  ({ conversationId, lastSeq, clearedSeq: 0 }) as ConversationRow;

function inboxOf(storage = new MemoryStorage()) {
  const shown: number[] = [];
  const received: InboxPosition[] = [];
  const hooks = {
    handle: undefined as Promise<unknown> | undefined,
    synced: (_: ConversationRow[]) => {},
    reconnects: 0,
    lists: 0,
    resyncs: [] as ConversationRow[][],
    errors: [] as string[],
  };
  const events: InboxOptions["events"] = {
    deliver: (name, value) => {
      if (name === "resync") return void hooks.resyncs.push(value as ConversationRow[]);
      shown.push((value as Event).seq);
      return hooks.handle;
    },
    emit: () => {},
    fail: ({ message }) => void hooks.errors.push(message),
  };
  const inbox = new Inbox({
    storage,
    self: { userId: "me" },
    questions: {
      tell: (_, payload) => {
        const { epoch, inboxSeq } = payload as { epoch: string; inboxSeq: number };
        received.push({ epoch, seq: inboxSeq });
        return true;
      },
      giveUp: () => void hooks.reconnects++,
      once: () => Promise.reject(new ConnectionLost()),
    },
    synchroniser: {
      all: () => {
        hooks.lists++;
        return new Promise((resolve) => {
          hooks.synced = (conversations) => resolve({ conversations } as Synced);
        });
      },
    },
    events,
    leftOut: new LeftOut(events),
  });
  return { inbox, shown, received, hooks, storage };
}

const empty = { inbox: { epoch: "e", seq: 0 }, resume: "none" } as const;
const stored = async (storage: MemoryStorage, key: string) => JSON.parse((await storage.get(key)) ?? "null");

test("the device sends RECEIVED 50 ms after the first event, at once at 20, and never before it is stored", async () => {
  const { inbox, received, storage } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(40);
  inbox.deliver({ epoch: "e", events: events(2, 3) });
  await jest.advanceTimersByTimeAsync(9);
  expect(received).toEqual([]);
  await jest.advanceTimersByTimeAsync(1);
  expect(received).toEqual([{ epoch: "e", seq: 3 }]);
  expect(await stored(storage, "inbox")).toEqual({ epoch: "e", seq: 3 });
  expect(await stored(storage, "conversation/p:a:b")).toEqual({ upTo: 3, known: 3 });
  inbox.deliver({ epoch: "e", events: events(4, 23) });
  await jest.advanceTimersByTimeAsync(0);
  expect(received.at(-1)).toEqual({ epoch: "e", seq: 23 });
});

test("an event that listeners still handle is neither acknowledged nor stored as shown", async () => {
  const { inbox, received, hooks, storage } = inboxOf();
  let done: (value: unknown) => void = () => {};
  hooks.handle = new Promise((resolve) => {
    done = resolve;
  });
  inbox.open(empty);
  await jest.advanceTimersByTimeAsync(0);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(1_000);
  expect([received, inbox.position]).toEqual([[], { epoch: "e", seq: 0 }]);
  expect(await storage.get("conversation/p:a:b")).toBeUndefined();
  done(undefined);
  await jest.advanceTimersByTimeAsync(0);
  expect([received, inbox.position]).toEqual([[{ epoch: "e", seq: 1 }], { epoch: "e", seq: 1 }]);
});

test("while the storage fails, the app gets the error, and the device acknowledges nothing", async () => {
  const { inbox, received, hooks, storage } = inboxOf();
  inbox.open(empty);
  await jest.advanceTimersByTimeAsync(0);
  const set = jest.spyOn(storage, "set").mockRejectedValue(new Error("no space left"));
  inbox.deliver({ epoch: "e", events: events(1, 30) });
  await jest.advanceTimersByTimeAsync(1_900);
  expect([received, inbox.position, hooks.errors]).toEqual([[], { epoch: "e", seq: 0 }, ["no space left"]]);
  set.mockRestore();
  await jest.advanceTimersByTimeAsync(200);
  expect(received).toEqual([{ epoch: "e", seq: 30 }]);
  expect(await stored(storage, "conversation/p:a:b")).toEqual({ upTo: 30, known: 30 });
});

test("a replay from the cursor shows nothing twice, and a hole gives the connection up", async () => {
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

test("the next process does not show an event that the storage recorded as shown", async () => {
  const { inbox, storage } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 5) });
  await jest.advanceTimersByTimeAsync(50);
  inbox.deliver({ epoch: "e", events: events(6, 7) });
  const next = inboxOf(storage);
  await next.inbox.restore();
  expect(next.inbox.position).toEqual({ epoch: "e", seq: 5 });
  next.inbox.open({ inbox: { epoch: "e", seq: 7 }, resume: "replay" });
  next.inbox.deliver({ epoch: "e", events: events(4, 7) });
  expect(next.shown).toEqual([6, 7]);
});

test("in another epoch events continue, and the cursor stays until the resync is done", async () => {
  const { inbox, shown, received, hooks, storage } = inboxOf();
  inbox.open(empty);
  inbox.deliver({ epoch: "e", events: events(1, 1) });
  await jest.advanceTimersByTimeAsync(50);
  inbox.deliver({ epoch: "f", events: [] });
  inbox.deliver({ epoch: "f", events: [[1, event(2)]] });
  await jest.advanceTimersByTimeAsync(1_000);
  expect([shown, received.length, inbox.position, hooks.lists]).toEqual([[1, 2], 1, { epoch: "e", seq: 1 }, 1]);
  hooks.synced([row(4)]);
  await jest.advanceTimersByTimeAsync(0);
  expect(hooks.resyncs).toEqual([[row(4)]]);
  expect([received.at(-1), inbox.position]).toEqual([
    { epoch: "f", seq: 1 },
    { epoch: "f", seq: 1 },
  ]);
  // The missing range is stored before the cursor moves, so the next process requests it.
  expect(await stored(storage, "conversation/p:a:b")).toEqual({ upTo: 2, known: 4 });
});

test("with an empty storage the device reads the list once, silently, when the replay is over", async () => {
  const { inbox, hooks, shown, storage } = inboxOf();
  inbox.open({ inbox: { epoch: "e", seq: 9 }, resume: "replay" });
  inbox.deliver({ epoch: "e", events: [[8, event(41)]] });
  expect(hooks.lists).toBe(0);
  inbox.deliver({ epoch: "e", events: [[9, event(42)]] });
  expect(hooks.lists).toBe(1);
  hooks.synced([row(42), row(7, "p:a:c")]);
  await jest.advanceTimersByTimeAsync(50);
  expect([shown, hooks.resyncs]).toEqual([[41, 42], []]);
  expect(await stored(storage, "conversations")).toBe(true);
  expect(await stored(storage, "conversation/p:a:c")).toEqual({ upTo: 7, known: 7, isFloating: true });
  const next = inboxOf(storage);
  await next.inbox.restore();
  next.inbox.open({ inbox: { epoch: "e", seq: 9 }, resume: "none" });
  expect(next.hooks.lists).toBe(0);
});

test("a device with thousands of conversations reads all of them from its storage at once", async () => {
  const storage = new MemoryStorage();
  for (let i = 0; i < 3_000; i++) await storage.set(`conversation/p:a:u${i}`, '{"upTo":3,"known":3}');
  const { get } = storage;
  // A read takes as long as in a browser.
  storage.get = async (key) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return get.call(storage, key);
  };
  const { inbox } = inboxOf(storage);
  let isRestored = false;
  void inbox.restore().then(() => {
    isRestored = true;
  });
  await jest.advanceTimersByTimeAsync(20);
  expect(isRestored).toBe(true);
});
