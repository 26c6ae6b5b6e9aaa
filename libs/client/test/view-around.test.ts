/** Tests of a conversation around a number: the messages it shows, the pages it fetches, and how long they stay. */
import {
  CarillonError,
  type ConversationRow,
  type Event,
  type PulledPayload,
  type PullPayload,
} from "@carillon/protocol";
import { Listeners } from "../src/core";
import { MemoryStorage } from "../src/storage/storage";
import { View } from "../src/view/view";
import { type ViewCore, ViewState } from "../src/view/view-state";

const CHAT = "p:bob:mia";

beforeEach(() => void jest.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void jest.useRealTimers());

const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);

const event = (seq: number, senderId = "bob"): Event => ({
  ...{ conversationId: CHAT, seq, senderId, kind: "message", contentType: "text", content: `${seq}` },
  ...{ sentAt: seq, messageId: `${seq}`, clientMsgId: `${seq}` },
});

/** A server with one conversation, and a view that has its row. */
class World {
  readonly asked: string[] = [];
  readonly listeners = new Listeners(new AbortController().signal);
  readonly events: Event[];
  readonly state: ViewState;
  readonly view: View;
  isOnline = true;

  /** @param without numbers that are not the user's */
  constructor(
    private lastSeq: number,
    without: (seq: number) => boolean = () => false,
    readonly storage = new MemoryStorage(),
  ) {
    this.events = Array.from({ length: lastSeq }, (_, i) => event(i + 1)).filter(({ seq }) => !without(seq));
    this.listeners.fail = (error) => {
      throw error;
    };
    const core: ViewCore = {
      ...{ storage, events: this.listeners, unsent: () => [], unread: () => [] },
      synchroniser: { changes: () => {}, keeper: undefined },
      ...{ prepare: async () => {}, keeps: () => true, userId: "mia" },
      pull: async (range) => this.pull(range),
    };
    this.state = new ViewState(core, {});
    this.view = new View(this.state, { send: () => Promise.reject(new Error("not here")), watch: () => () => {} });
  }

  tell(row: Partial<ConversationRow> = {}): void {
    const marks = { readSeq: 0, clearedSeq: 0, unread: 0, pinned: false, muted: false };
    this.state.takeRow({ conversationId: CHAT, kind: "private", lastSeq: this.lastSeq, lastAt: 1, ...marks, ...row });
  }

  /** Sends messages and delivers their events. */
  say(seq = this.lastSeq + 1, senderId = "bob"): void {
    this.lastSeq = seq;
    this.events.push(event(seq, senderId));
    this.listeners.emit("message", event(seq, senderId));
  }

  /** Returns the shown numbers, each run of them as one. */
  shown(around?: number): string {
    const seqs = this.view.messages(CHAT, { around }).items.map(({ seq, clientMsgId }) => seq ?? clientMsgId);
    const isNext = (i: number) => typeof seqs[i] === "number" && seqs[i] === (seqs[i - 1] as number) + 1;
    return seqs
      .map((seq, i) => (isNext(i) ? (isNext(i + 1) ? "" : `-${seq}`) : ` ${seq}`))
      .join("")
      .trim();
  }

  /** Whether there are more messages on either side. */
  more(around?: number): [hasOlder: boolean, hasNewer: boolean] {
    const { hasOlder, hasNewer } = this.view.messages(CHAT, { around });
    return [hasOlder, hasNewer];
  }

  /** A screen that looks whenever its listener is called. */
  async screen(around?: number): Promise<() => void> {
    const look = () => void this.view.messages(CHAT, { around });
    const leave = this.view.subscribe(`messages/${CHAT}`, look);
    look();
    await passes(50);
    return leave;
  }

  private pull({ fromSeq, toSeq, limit = 50, backwards = false }: PullPayload): PulledPayload {
    if (!this.isOnline) throw new CarillonError("UNAVAILABLE");
    this.asked.push(`${fromSeq} ${backwards ? "down" : "up"} to ${toSeq}`);
    const [from, to] = backwards ? [toSeq!, fromSeq] : [fromSeq, toSeq!];
    const range = this.events.filter(({ seq }) => seq >= from && seq <= to);
    const events = backwards ? range.slice(-limit) : range.slice(0, limit);
    return { conversationId: CHAT, events, lastSeq: this.lastSeq, more: range.length > limit };
  }
}

async function worldOf(...options: ConstructorParameters<typeof World>): Promise<World> {
  const world = new World(...options);
  await world.view.restored;
  world.tell();
  return world;
}

test("the view shows and pages both sides of a number, and the newest end stays apart until they meet", async () => {
  const world = await worldOf(300);
  const { view, asked } = world;
  await world.screen(150);
  expect([world.shown(150), ...world.more(150)]).toEqual(["101-200", true, true]);
  expect(asked).toEqual(["300 down to 1", "150 down to 1", "151 up to 250"]);
  const before = view.messages(CHAT, { around: 150 });
  world.say();
  world.listeners.emit("sending", { clientMsgId: "own", to: "u:bob", contentType: "text", content: "own" });
  expect(view.messages(CHAT, { around: 150 })).toBe(before);
  expect([world.shown(), ...world.more()]).toEqual(["251-301 own", true, false]);
  expect(await view.loadOlder(CHAT, { around: 150 })).toBe(true);
  expect(await view.loadNewer(CHAT, { around: 150 })).toBe(false);
  expect([world.shown(150), asked.splice(3)]).toEqual(["51-301 own", ["100 down to 1", "201 up to 250"]]);
  world.say();
  expect(world.shown(150)).toBe("51-302 own");
  expect(await view.loadOlder(CHAT, { around: 150 })).toBe(false);
  expect([world.shown(150), world.shown()]).toEqual(["1-302 own", "1-302 own"]);
});

test("two screens look at different places of one conversation, and each is called for its own part", async () => {
  const world = await worldOf(400);
  const told: string[] = [];
  await world.screen(200);
  await world.screen(100);
  await world.screen();
  expect([world.shown(200), world.shown(100), world.shown()]).toEqual(["51-250", "51-250", "351-400"]);
  world.view.subscribe(`messages/${CHAT}`, () => void told.push(world.shown(200)));
  // Here a message in the middle is recalled, and a mark of it moves.
  const { content: _, ...rest } = { ...event(401), kind: "recall" as const, targetSeq: 200 };
  world.listeners.emit("recall", rest);
  await passes(0);
  expect(world.view.messages(CHAT, { around: 200 }).items.find(({ seq }) => seq === 200)?.status).toBe("recalled");
  expect([world.shown(), told]).toEqual(["351-400", ["51-250"]]);
});

test("the view handles numbers without a message: beyond the last, cleared, recalled, between two stays, unknown", async () => {
  const world = await worldOf(300, (seq) => seq > 100 && seq <= 200);
  await world.screen(10_000);
  expect([world.shown(10_000), ...world.more(10_000)]).toEqual(["251-300", true, false]);
  expect(world.shown(Number.NaN)).toBe("251-300");
  await world.screen(150);
  expect(world.shown(150)).toBe("51-100 201-300");
  for (const around of [0, -7]) await world.screen(around);
  expect([world.shown(0), world.shown(-7), ...world.more(0)]).toEqual(["1-100 201-300", "1-100 201-300", false, false]);
  world.tell({ clearedSeq: 260 });
  expect([world.shown(150), ...world.more(150), world.shown(0)]).toEqual(["261-300", false, false, "261-300"]);
  world.tell({ clearedSeq: 300 });
  expect([world.shown(150), ...world.more(150)]).toEqual(["", false, false]);
  expect(world.view.messages("p:carl:mia", { around: 7 })).toMatchObject({
    items: [],
    hasOlder: false,
    hasNewer: false,
  });
});

test("a number beyond the last known one is shown when the conversation reaches it", async () => {
  const world = await worldOf(10);
  await world.screen(200);
  expect([world.shown(200), ...world.more(200)]).toEqual(["1-10", false, false]);
  for (let seq = 11; seq <= 400; seq++) world.events.push(event(seq));
  world.tell({ lastSeq: 400 });
  await passes(50);
  expect([world.shown(200), ...world.more(200)]).toEqual(["151-250", true, true]);
});

test("without a connection loaded messages are shown; the next connection fetches the others without any change", async () => {
  const world = await worldOf(300);
  await world.screen();
  world.isOnline = false;
  await world.screen(100);
  await world.screen(260);
  expect([world.shown(100), ...world.more(100)]).toEqual(["", true, true]);
  expect([world.shown(260), ...world.more(260)]).toEqual(["251-300", true, false]);
  for (const load of [world.view.loadOlder(CHAT, { around: 100 }), world.view.loadNewer(CHAT, { around: 100 })]) {
    await expect(load).rejects.toMatchObject({ name: "UNAVAILABLE" });
  }
  world.isOnline = true;
  world.state.online();
  const counts = { relations: 0, groups: 0, conversations: 1 };
  const nothing = { conversations: [], relations: [], groups: [], unreadable: new Set<string>() };
  world.state.begin();
  world.state.take({ ...nothing, counts, versions: { relations: 1, groups: 1 }, syncedAt: 1 }, false);
  await passes(50);
  expect(world.asked.splice(1)).toEqual(["100 down to 1", "101 up to 250", "250 down to 1"]);
  expect([world.shown(100), world.shown(260)]).toEqual(["51-150", "201-300"]);
});

test("a screen that looks at the middle stays there during a resync, and the newest end is apart", async () => {
  const world = await worldOf(100);
  await world.screen(60);
  await world.screen();
  expect([world.shown(60), ...world.more(60)]).toEqual(["1-100", false, false]);
  for (let seq = 101; seq <= 1_000; seq++) world.events.push(event(seq));
  world.asked.length = 0;
  world.tell({ lastSeq: 1_000 });
  await passes(1_000);
  expect([world.shown(60), ...world.more(60), world.shown()]).toEqual(["1-100", false, true, "951-1000"]);
  // Missed and new events follow; none of them is fetched a second time.
  world.listeners.emit("message", event(101));
  world.say(1_001);
  await passes(1_000);
  expect([world.shown(60), world.shown(), world.asked]).toEqual(["1-101", "951-1001", ["1000 down to 101"]]);
});

test("a short hole that an event leaves below it is filled, and the screens meet the newest end again", async () => {
  const world = await worldOf(100);
  await world.screen(60);
  for (let seq = 101; seq < 120; seq++) world.events.push(event(seq));
  world.say(120);
  expect([world.shown(60), ...world.more(60)]).toEqual(["1-100", false, true]);
  await passes(50);
  expect([world.shown(60), ...world.more(60)]).toEqual(["1-120", false, false]);
  expect(world.asked.at(-1)).toBe("119 down to 101");
});

test("pages around a number are dropped after the last unsubscribe, and fetched again for the next subscriber", async () => {
  const world = await worldOf(1_000);
  const [leave, other] = [await world.screen(500), await world.screen(500)];
  leave();
  world.say();
  await passes(1_000);
  expect(world.shown(500)).toBe("451-550");
  other();
  world.say();
  await passes(1_000);
  expect(world.view.messages(CHAT, { around: 500 })).toMatchObject({ items: [], hasOlder: true, hasNewer: true });
  await world.screen(500);
  expect([world.shown(500), world.shown()]).toEqual(["451-550", "951-1002"]);
});

test("the storage keeps only the newest end, and later also a part that has met it, without a hole", async () => {
  const world = await worldOf(65);
  const stored = async () => {
    await passes(1_000);
    const after = new World(70, undefined, world.storage);
    after.isOnline = false;
    await after.view.restored;
    return after.shown();
  };
  await world.screen(40);
  // The numbers 66 to 69 are not the user's, and the device does not know that yet.
  world.isOnline = false;
  world.say(70);
  expect([world.shown(40), world.shown(), await stored()]).toEqual(["16-65", "70", "70"]);
  world.isOnline = true;
  expect(await world.view.loadNewer(CHAT, { around: 40 })).toBe(false);
  expect(world.asked.at(-1)).toBe("66 up to 69");
  expect([world.shown(40), await stored()]).toEqual(["16-65 70", "16-65 70"]);
});
