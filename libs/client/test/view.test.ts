/** Tests of the guarantees for an app that binds to the view, and of the view's values in the storage. */
import type { Event, PulledPayload, SendPayload } from "@carillon/protocol";
import { Listeners } from "../src/core";
import { MemoryStorage } from "../src/storage/storage";
import { View } from "../src/view/view";
import { type ViewCore, ViewState } from "../src/view/view-state";
import { ViewWorld } from "./fixtures/view-world";

const CHAT = "p:bob:mia";

beforeEach(() => void jest.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void jest.useRealTimers());

const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);

/** Creates a world with a conversation of some messages, delivered to a view that is online. */
async function worldWith(messages: number): Promise<ViewWorld> {
  const world = new ViewWorld();
  world.start();
  world.online();
  for (let i = 1; i <= messages; i++) world.write(CHAT, "bob", "message", `${i}`);
  await passes(1_000);
  world.deliver(messages);
  await passes(1_000);
  return world;
}

test("snapshots stay the same objects until their content changes", async () => {
  const world = await worldWith(2);
  world.write("p:carl:mia", "carl", "message", "hello");
  world.relate("bob", "friend", "Bob");
  world.deliver(1);
  await passes(1_000);
  const { view } = world;
  const [conversations, people, messages] = [view.conversations, view.people, view.messages(CHAT)];
  await passes(30_000);
  expect([view.conversations === conversations, view.people === people]).toEqual([true, true]);
  expect(view.messages(CHAT)).toBe(messages);
  world.write(CHAT, "bob", "message", "new");
  world.deliver(1);
  expect(view.conversations).not.toBe(conversations);
  const of = (list: typeof conversations, id: string) => list.find((one) => one.conversationId === id);
  expect(of(view.conversations, "p:carl:mia")).toBe(of(conversations, "p:carl:mia"));
  expect(of(view.conversations, CHAT)).not.toBe(of(conversations, CHAT));
  expect(view.messages(CHAT).items.slice(0, 2)).toEqual(messages.items);
  expect(view.messages(CHAT).items.every((item, i) => i === 2 || item === messages.items[i])).toBe(true);
});

test("listeners are called once per turn, for their own part, and not after they unsubscribed", async () => {
  const world = await worldWith(1);
  const told = { list: 0, chat: 0, other: 0, all: 0 };
  const { view } = world;
  view.subscribe("conversations", () => void told.list++);
  const end = view.subscribe(`messages/${CHAT}`, () => void told.chat++);
  view.subscribe("messages/p:carl:mia", () => void told.other++);
  view.subscribe(() => void told.all++);
  for (let i = 0; i < 20; i++) world.write(CHAT, "bob", "message", `${i}`);
  world.deliver(20);
  expect(told).toEqual({ list: 0, chat: 0, other: 0, all: 0 });
  await passes(0);
  expect(told).toEqual({ list: 1, chat: 1, other: 0, all: 1 });
  end();
  world.write(CHAT, "bob", "message", "after");
  world.deliver(1);
  await passes(0);
  expect(told).toEqual({ list: 2, chat: 1, other: 0, all: 2 });
});

test("a listener that another one unsubscribes in the same turn is not called", async () => {
  const world = await worldWith(1);
  const told: string[] = [];
  world.view.subscribe("conversations", () => {
    told.push("first");
    end();
  });
  const end = world.view.subscribe("conversations", () => void told.push("ended"));
  world.write(CHAT, "bob", "message", "new");
  world.deliver(1);
  await passes(0);
  expect(told).toEqual(["first"]);
});

test("a hidden conversation returns with the next event, even before a row", async () => {
  const world = await worldWith(2);
  const { pinned: _, ...shown } = world.view.conversations[0]!;
  world.state.takeRow({ ...shown, pinned: false, hiddenSeq: 2 });
  expect(world.view.conversations).toEqual([]);
  world.write(CHAT, "bob", "message", "new");
  world.deliver(1);
  await passes(0);
  expect(world.view.conversations).toMatchObject([{ conversationId: CHAT, lastSeq: 3 }]);
});

test("the answer to a change of settings is newer than the rows of a sync in flight", async () => {
  const world = await worldWith(2);
  const { pinned: _, ...shown } = world.view.conversations[0]!;
  // The server reads the row after 5 ms, and it arrives after 10.
  world.state.online();
  await passes(7);
  world.settings(CHAT, { pinned: true });
  world.state.takeRow({ ...shown, pinned: true });
  for (let i = 0; i < 100; i++) {
    expect(world.view.conversations[0]).toMatchObject({ pinned: true });
    await passes(5);
  }
  // A later change of another device counts.
  world.settings(CHAT, { pinned: false });
  await passes(1_000);
  expect(world.view.conversations[0]).toMatchObject({ pinned: false });
});

test("cleared messages leave the storage, and return neither with a page nor with an event", async () => {
  const world = new ViewWorld();
  world.start();
  world.online();
  const stored = async () => {
    const values = await Promise.all((await world.storage.keys()).map((key) => world.storage.get(key)));
    return [...values.join().matchAll(/"secret (\d+)"/g)].map(([, n]) => Number(n)).sort((a, b) => a - b);
  };
  for (let i = 1; i <= 7; i++) world.write(CHAT, "bob", "message", `secret ${i}`);
  world.deliver(6);
  await passes(1_000);
  expect(await stored()).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6]));
  world.settings(CHAT, { clearedSeq: 4 });
  await passes(1_000);
  expect(new Set(await stored())).toEqual(new Set([5, 6, 7]));
  // Another device cleared it before it was delivered here.
  world.settings(CHAT, { clearedSeq: 7 });
  await passes(1_000);
  world.deliver(1);
  await passes(1_000);
  expect(await stored()).toEqual([]);
  for (let i = 8; i <= 20; i++) world.write(CHAT, "bob", "message", `secret ${i}`);
  world.deliver(13);
  await passes(1_000);
  // The server reads a page after 5 ms, and it arrives after 10.
  const older = world.view.loadOlder(CHAT);
  await passes(7);
  const pending = world.state.restored;
  world.settings(CHAT, { clearedSeq: 16 });
  await pending;
  const { pinned: _, ...shown } = world.view.conversations[0]!;
  world.state.takeRow({ ...shown, pinned: false, clearedSeq: 16, unread: 4 });
  await passes(1_000);
  await older;
  expect(new Set(await stored())).toEqual(new Set([17, 18, 19, 20]));
  expect(world.view.messages(CHAT)).toMatchObject({ items: [17, 18, 19, 20].map((seq) => ({ seq })), hasOlder: false });
  await world.end(false);
  world.start();
  await world.view.restored;
  expect(world.view.messages(CHAT)).toMatchObject({ items: [17, 18, 19, 20].map((seq) => ({ seq })), hasOlder: false });
});

/** A view; the test plays its outbox and answers its PULLs. */
function sendingView(
  storage = new MemoryStorage(),
  unsent: SendPayload[] = [],
  userId = () => "mia" as string | undefined,
) {
  const events = new Listeners(new AbortController().signal);
  const sent: SendPayload[] = [];
  const pulls: ((page: PulledPayload) => void)[] = [];
  events.fail = (error) => {
    throw error;
  };
  const core: ViewCore = {
    ...{ storage, events, unsent: () => unsent, unread: () => [] },
    synchroniser: { changes: () => {}, keeper: undefined },
    prepare: async () => {},
    keeps: () => true,
    get userId() {
      return userId();
    },
    pull: () => new Promise((resolve) => pulls.push(resolve)),
  };
  const state = new ViewState(core, {});
  const actions = { send: async (payload: SendPayload) => void sent.push(payload) as never, watch: () => () => {} };
  const view = new View(state, actions);
  const shown = () => view.messages(CHAT).items.map(({ content, status }) => `${content} ${status}`);
  return { events, view, state, shown, sent, storage, pulls };
}

const payload = (content: string): SendPayload => ({ clientMsgId: content, to: "u:bob", contentType: "text", content });
const answer = (content: string, seq: number) => ({
  ...{ clientMsgId: content, conversationId: CHAT, seq, messageId: content, sentAt: 1 },
});
const event = (content: string, seq: number, senderId = "mia"): Event => ({
  ...{ conversationId: CHAT, seq, senderId, kind: "message", contentType: "text", sentAt: 1 },
  ...{ content, clientMsgId: content, messageId: content },
});

test("own messages are sending, then sent, and join the others; SENT and the event arrive in either order", async () => {
  const { events, view, shown } = sendingView();
  await view.restored;
  for (const content of ["a", "b", "c"]) void events.emit("sending", payload(content));
  expect(shown()).toEqual(["a sending", "b sending", "c sending"]);
  void events.emit("sent", answer("a", 2));
  void events.emit("message", event("of bob", 1, "bob"));
  expect(shown()).toEqual(["of bob delivered", "a sent", "b sending", "c sending"]);
  void events.emit("message", event("a", 2));
  void events.emit("message", event("b", 3));
  void events.emit("sent", answer("b", 3));
  expect(shown()).toEqual(["of bob delivered", "a sent", "b sent", "c sending"]);
  void events.emit("receipt", { kind: "read", conversationId: CHAT, userId: "bob", seq: 2 });
  void events.emit("receipt", { kind: "delivered", conversationId: CHAT, userId: "bob", seq: 3 });
  expect(shown()).toEqual(["of bob delivered", "a read", "b delivered", "c sending"]);
});

test("an own message that another device has cleared before its event arrived is not shown", async () => {
  const { events, view, shown } = sendingView();
  await view.restored;
  void events.emit("sending", payload("a"));
  void events.emit("sent", answer("a", 1));
  expect(shown()).toEqual(["a sent"]);
  const row = { conversationId: CHAT, kind: "private" as const, lastSeq: 1, lastAt: 1, readSeq: 0, unread: 0 };
  void events.emit("row", { ...row, clearedSeq: 1, pinned: false, muted: false });
  expect(shown()).toEqual([]);
  void events.emit("message", event("of bob", 2, "bob"));
  expect(shown()).toEqual(["of bob delivered"]);
});

test("a message with a new id keeps its place", async () => {
  const { events, view, shown } = sendingView();
  await view.restored;
  for (const content of ["a", "b"]) events.emit("sending", payload(content));
  events.emit("redated", { from: "a", to: "later" });
  expect(shown()).toEqual(["a sending", "b sending"]);
  events.emit("sent", answer("later", 1));
  expect(shown()).toEqual(["a sent", "b sending"]);
});

test("a peer's message with the id of another one changes no snapshot", async () => {
  const { events, view, shown } = sendingView();
  await view.restored;
  void events.emit("message", event("a", 1));
  void events.emit("message", { ...event("b", 2, "bob"), clientMsgId: "a" });
  const messages = view.messages(CHAT);
  expect(shown()).toEqual(["a sent", "b delivered"]);
  expect(view.messages(CHAT)).toBe(messages);
  void events.emit("message", event("c", 3));
  expect(
    view
      .messages(CHAT)
      .items.slice(0, 2)
      .every((item, i) => item === messages.items[i]),
  ).toBe(true);
});

test("a failed message stays, also for the next process, until the user sends it again or discards it", async () => {
  const before = sendingView();
  await before.view.restored;
  for (const content of ["a", "b"]) {
    void before.events.emit("sending", payload(content));
    void before.events.emit("failed", { message: payload(content), error: new Error("no such user") });
  }
  void before.events.emit("sending", payload("c"));
  expect(before.shown()).toEqual(["a failed", "b failed", "c sending"]);
  expect(before.view.messages(CHAT).items[0]).toMatchObject({ failure: "no such user" });
  await before.state.stop();
  // The outbox stores the messages that it has not given up, and reports them.
  const { view, shown, sent, events } = sendingView(before.storage, [payload("c")]);
  await view.restored;
  expect(shown()).toEqual(["a failed", "b failed", "c sending"]);
  await view.sendAgain("a");
  expect(sent).toEqual([payload("a")]);
  void events.emit("sending", payload("a"));
  view.discard("b");
  // A message in flight cannot be discarded.
  view.discard("c");
  expect(shown()).toEqual(["c sending", "a sending"]);
});

test("a failed message that the server stored is not shown as failed, also by the next process", async () => {
  const before = sendingView();
  await before.view.restored;
  const fails = (content: string) => {
    void before.events.emit("failed", { message: payload(content), error: new Error("no answer") });
  };
  for (const content of ["a", "b", "c"]) void before.events.emit("sending", payload(content));
  fails("a");
  await passes(1_000);
  void before.events.emit("message", event("a", 1));
  // The last try may end after the event has arrived, too.
  void before.events.emit("message", event("b", 2));
  fails("b");
  expect(before.shown()).toEqual(["a sent", "b sent", "c sending"]);
  void before.events.emit("message", event("c", 3));
  await before.state.stop();
  // The process crashed before its outbox had the answer.
  const { shown, view } = sendingView(before.storage, [payload("c")]);
  await view.restored;
  expect(shown()).toEqual(["a sent", "b sent", "c sent"]);
});

test("a conversation can be opened before the user of the view is known", async () => {
  let userId: string | undefined;
  const { events, view, shown } = sendingView(undefined, [], () => userId);
  await view.restored;
  expect(shown()).toEqual([]);
  // The first session of an app with its own token tells the user.
  userId = "mia";
  void events.emit("message", event("of bob", 1, "bob"));
  void events.emit("message", event("a", 2));
  expect(shown()).toEqual(["of bob delivered", "a sent"]);
  expect(view.conversations).toMatchObject([{ peerId: "bob", title: "bob", unread: 1 }]);
});

test("a page that arrives after the removal of its conversation leaves nothing behind", async () => {
  const { events, view, state, storage, pulls } = sendingView();
  await view.restored;
  void events.emit("message", event("5", 5, "bob"));
  const older = view.loadOlder(CHAT);
  const nothing = { relations: 0, groups: 0, conversations: 0 };
  state.begin();
  state.take(
    {
      ...{ conversations: [], relations: [], groups: [], versions: { relations: 1, groups: 1 }, syncedAt: 1 },
      counts: nothing,
      unreadable: new Set(),
    },
    true,
  );
  pulls.shift()!({ conversationId: CHAT, events: [event("4", 4, "bob")], lastSeq: 5, more: false });
  await older;
  await passes(1_000);
  await state.stop();
  expect(view.conversations).toEqual([]);
  expect(await storage.keys()).toEqual(["view/1/since"]);
});

test("the storage does not grow with the messages: old blocks are deleted, and the newest are restored", async () => {
  const world = await worldWith(10);
  const size = async () => {
    const values = await Promise.all((await world.storage.keys()).map((key) => world.storage.get(key)));
    return values.join("").length;
  };
  let largest = 0;
  for (let i = 11; i <= 400; i++) {
    world.write(CHAT, "bob", "message", `${i}`);
    world.deliver(1);
    if (i % 10 === 0) await passes(300);
    // The bound leaves room for the numbers of unread messages; the messages take ten times as much.
    if (i === 100) largest = (await size()) + 2_500;
    if (i > 100) expect(await size()).toBeLessThan(largest);
  }
  await world.end(false);
  const keys = (await world.storage.keys()).filter((key) => key.startsWith(`view/1/messages/${CHAT}`));
  expect(keys.length).toBeGreaterThan(0);
  expect(keys.length).toBeLessThan(3);
  world.start();
  await world.view.restored;
  expect(world.view.messages(CHAT).items.map(({ content }) => content)).toEqual(
    Array.from({ length: 8 }, (_, i) => `${393 + i}`),
  );
});

test("a conversation beyond the bound shows its messages each time the app opens it", async () => {
  const world = await worldWith(3);
  for (const peerId of ["carl", "dora"]) {
    await passes(1_000);
    world.write(`p:${peerId}:mia`, peerId, "message", "newer");
  }
  world.deliver(2);
  await passes(1_000);
  for (let i = 0; i < 3; i++) {
    const leave = world.view.subscribe(`messages/${CHAT}`, () => {});
    world.view.messages(CHAT);
    await passes(100);
    expect(world.view.messages(CHAT).items).toHaveLength(3);
    leave();
    await passes(1_000);
  }
  expect(world.state.list.of(CHAT).conversation.window.newest).toBeUndefined();
});

test("the page of the first look stays while the app looks, even if fewer messages are stored", async () => {
  const world = await worldWith(60);
  const look = () => world.view.messages(CHAT).items.length;
  world.view.subscribe(`messages/${CHAT}`, () => void look());
  look();
  await passes(1_000);
  expect(look()).toBeGreaterThanOrEqual(50);
  world.write(CHAT, "bob", "message", "new");
  world.deliver(1);
  await passes(1_000);
  expect(look()).toBeGreaterThanOrEqual(50);
});

test("the view deletes its values of a former version, and nothing else in the storage", async () => {
  const storage = new MemoryStorage();
  await storage.set("view/0/conversation/p:bob:mia", "{}");
  await storage.set("view/since", "17");
  await storage.set("inbox", '{"epoch":"e","seq":3}');
  await storage.set(`conversation/${CHAT}`, '{"upTo":3,"known":3}');
  const { view, state } = sendingView(storage);
  await view.restored;
  await state.stop();
  expect(view.conversations).toEqual([]);
  expect((await storage.keys()).sort()).toEqual([`conversation/${CHAT}`, "inbox"]);
});

test("an unreadable value of the view counts as missing", async () => {
  const world = await worldWith(3);
  await world.end(false);
  for (const key of await world.storage.keys()) if (/conversation|since/.test(key)) await world.storage.set(key, "{");
  world.start();
  await world.view.restored;
  expect(world.view.conversations).toEqual([]);
  world.online();
  await passes(1_000);
  expect(world.view.conversations).toMatchObject([{ conversationId: CHAT, unread: 3 }]);
});

test("a new device shows its newest conversations after the first page, and continues syncs only after the last", async () => {
  const world = new ViewWorld();
  for (let i = 0; i < 7; i++) {
    world.write(`p:bob${i}:mia`, `bob${i}`, "message", "hello");
    await passes(1);
  }
  world.start();
  world.online();
  const shown = () => world.view.conversations.map(({ title }) => title);
  // A page takes 10 ms.
  await passes(15);
  expect(shown()).toEqual(["bob6", "bob5", "bob4"]);
  world.lose();
  await world.end(false);
  expect(await world.storage.get("view/1/since")).toBeUndefined();
  world.start();
  await world.view.restored;
  expect(shown()).toEqual(["bob6", "bob5", "bob4"]);
  world.online();
  await passes(1_000);
  expect(shown()).toHaveLength(7);
  expect(await world.storage.get("view/1/since")).toBeDefined();
});
