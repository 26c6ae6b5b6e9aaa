/** Checks that the view shows the server's state when all is quiet, after any events in any order. */
import * as fc from "fast-check";
import { ConnectionLost } from "../src/connection/requests";
import { ME, ViewWorld } from "./fixtures/view-world";

const CONVERSATIONS = ["p:mia:zoe", "p:bob:mia", "p:carl:mia", "p:dora:mia", "g:choir", "g:chess"];
const QUIET_MS = 60_000;

beforeEach(() => void jest.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void jest.useRealTimers());

type Step =
  | { do: "write"; at: number; isMine: boolean; count: number }
  | { do: "recall"; at: number; back: number }
  | { do: "rename"; at: number }
  | { do: "deliver"; count: number }
  | { do: "read"; at: number; back: number; isHere: boolean }
  | { do: "mark"; at: number; back: number; kind: "read" | "delivered" }
  | { do: "settings"; at: number; pinned: boolean; muted: boolean; clearBack: number | undefined }
  | { do: "relation"; at: number; state: "friend" | "none" | "blocked" }
  | { do: "member"; at: number; role: "member" | "admin" | undefined }
  | { do: "look"; at: number }
  | { do: "open"; at: number; seq: number }
  | { do: "leave"; at: number }
  | { do: "page"; at: number; seq: number; isNewer: boolean }
  | { do: "miss"; at: number; count: number }
  | { do: "wait"; ms: number }
  | { do: "lose" | "online" }
  | { do: "restart"; isKilled: boolean };

const at = fc.nat(CONVERSATIONS.length - 1);
const back = fc.nat(6);
const seq = fc.nat(80);
const step = (what: string, shape: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({ do: fc.constant(what), ...shape }) as unknown as fc.Arbitrary<Step>;
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: step("write", { at, isMine: fc.boolean(), count: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 5, arbitrary: step("deliver", { count: fc.integer({ min: 1, max: 10 }) }) },
    { weight: 3, arbitrary: step("wait", { ms: fc.constantFrom(1, 7, 30, 300, 15_000) }) },
    { weight: 2, arbitrary: step("recall", { at, back }) },
    { weight: 2, arbitrary: step("read", { at, back: fc.integer({ min: -2, max: 6 }), isHere: fc.boolean() }) },
    { weight: 3, arbitrary: step("online", {}) },
    step("rename", { at: fc.integer({ min: 4, max: 5 }) }),
    step("mark", { at: fc.nat(3), back, kind: fc.constantFrom("read", "delivered") }),
    step("settings", { at, pinned: fc.boolean(), muted: fc.boolean(), clearBack: fc.option(back, { nil: undefined }) }),
    step("relation", { at: fc.nat(3), state: fc.constantFrom("friend", "none", "blocked") }),
    step("member", { at: fc.integer({ min: 4, max: 5 }), role: fc.constantFrom("member", "admin", undefined) }),
    step("look", { at }),
    { weight: 4, arbitrary: step("open", { at, seq }) },
    step("leave", { at }),
    { weight: 2, arbitrary: step("page", { at, seq, isNewer: fc.boolean() }) },
    step("lose", {}),
    { weight: 2, arbitrary: step("miss", { at, count: fc.integer({ min: 1, max: 40 }) }) },
    step("restart", { isKilled: fc.boolean() }),
  ),
  { maxLength: 80, size: "max" },
);

const peerOf = (conversationId: string) => conversationId.split(":").find((id) => !["p", "g", ME].includes(id))!;

/**
 * A screen with a conversation around a number. It looks whenever its listener is called, and must see no hole, and all messages
 * that it saw before except cleared ones.
 */
class Screen {
  readonly leave: () => void;
  private before: readonly number[] = [];

  constructor(
    private readonly world: ViewWorld,
    private readonly conversationId: string,
    readonly around: number,
    private readonly faults: string[],
  ) {
    this.leave = world.view.subscribe(`messages/${conversationId}`, () => this.look());
    this.look();
  }

  look(): void {
    const { world, conversationId, around } = this;
    const { items } = world.view.messages(conversationId, { around });
    const { events: known = [], clearedSeq = 0 } = world.conversations.get(conversationId) ?? {};
    // Messages that another device has cleared may be shown for a moment, with holes, because the server has deleted them.
    const seqs = items.flatMap(({ seq = 0 }) => (seq > clearedSeq ? [seq] : []));
    const [first = 1, last = 0] = [seqs[0], seqs.at(-1)];
    const inside = known.flatMap(({ seq, kind }) => (seq >= first && seq <= last && kind !== "recall" ? [seq] : []));
    const row = world.view.conversations.find((one) => one.conversationId === conversationId);
    // A conversation that has left the list has no loaded messages any more.
    const before = row === undefined ? [] : this.before.filter((seq) => seq > clearedSeq);
    if (!isEqual(seqs, inside) || before.some((seq) => !seqs.includes(seq))) {
      this.faults.push(`${conversationId} around ${around}: ${seqs} after ${before} of ${inside}`);
    }
    // For a number beyond the last one the view shows the newest end, which may drop the messages before it.
    this.before = row !== undefined && around <= row.lastSeq ? seqs : [];
  }
}

/** The screens, by conversation. */
class Screens extends Map<string, Screen> {
  /** The faults that the screens have seen. */
  readonly faults: string[] = [];
}

const isEqual = (some: readonly number[], others: readonly number[]) => some.join() === others.join();

async function take(world: ViewWorld, screens: Screens, one: Step): Promise<void> {
  const conversationId = "at" in one ? CONVERSATIONS[one.at]! : "";
  const known = world.conversations.get(conversationId)?.events ?? [];
  const upTo = "back" in one ? known.length - one.back : 0;
  switch (one.do) {
    case "write":
      if (conversationId.startsWith("g:") && world.groups.get(conversationId.slice(2))?.role === undefined) return;
      for (let i = 0; i < one.count; i++) {
        world.write(conversationId, one.isMine ? ME : peerOf(conversationId), "message", `${known.length + i}`);
      }
      return;
    case "recall": {
      const target = known[upTo - 1];
      if (target?.kind !== "message" || target.content === undefined) return;
      if (conversationId.startsWith("g:") && world.groups.get(conversationId.slice(2))?.role === undefined) return;
      return world.write(conversationId, target.senderId, "recall", undefined, target.seq);
    }
    case "miss":
      await take(world, screens, { do: "write", at: one.at, isMine: false, count: one.count });
      return world.miss();
    case "rename":
      if (world.groups.get(conversationId.slice(2))?.role === undefined) return;
      world.group(conversationId.slice(2), `name ${known.length}`, world.groups.get(conversationId.slice(2))!.role);
      return world.write(conversationId, "anna", "system", '{"type":"profile"}');
    case "deliver":
      return world.deliver(one.count);
    case "read":
      return world.read(conversationId, upTo, one.isHere);
    case "mark":
      return upTo > 0 ? world.peerMark(conversationId, one.kind, upTo) : undefined;
    case "settings": {
      const clear = one.clearBack === undefined ? {} : { clearedSeq: Math.max(0, known.length - one.clearBack) };
      return world.settings(conversationId, { pinned: one.pinned, muted: one.muted, ...clear });
    }
    case "relation":
      return world.relate(peerOf(conversationId), one.state, `name of ${peerOf(conversationId)}`);
    case "member":
      return world.group(conversationId.slice(2), `group ${one.at}`, one.role);
    case "look":
      return void world.view.messages(conversationId);
    case "open":
      screens.get(conversationId)?.leave();
      return void screens.set(conversationId, new Screen(world, conversationId, one.seq, screens.faults));
    case "leave":
      screens.get(conversationId)?.leave();
      return void screens.delete(conversationId);
    case "page": {
      const place = { around: screens.get(conversationId)?.around ?? one.seq };
      const { view } = world;
      const loaded = one.isNewer ? view.loadNewer(conversationId, place) : view.loadOlder(conversationId, place);
      return void loaded.catch((error) => expect(error).toBeInstanceOf(ConnectionLost));
    }
    case "wait":
      return void (await jest.advanceTimersByTimeAsync(one.ms));
    case "lose":
      return world.lose();
    case "online":
      return world.online();
    case "restart":
      for (const screen of screens.values()) screen.leave();
      screens.clear();
      await world.end(one.isKilled);
      return world.start();
  }
}

/** Returns all messages of a conversation in the view, page by page from the newest end, or from a number on. */
async function allMessages(world: ViewWorld, conversationId: string, around?: number): Promise<string[]> {
  const { view } = world;
  const stop = view.subscribe(`messages/${conversationId}`, () => {});
  const look = () => view.messages(conversationId, { around });
  look();
  await jest.advanceTimersByTimeAsync(100);
  for (let i = 0; (look().hasOlder || look().hasNewer) && i < 100; i++) {
    const loaded = look().hasNewer
      ? view.loadNewer(conversationId, { around })
      : view.loadOlder(conversationId, { around });
    await jest.advanceTimersByTimeAsync(100);
    await loaded;
  }
  const { items } = look();
  stop();
  return items.map(({ seq, content, status }) => `${seq} ${content} ${status}`);
}

/** Returns the content of the view and of the model. */
function shown(world: ViewWorld): object[] {
  return world.view.conversations.map(({ group: _, ...conversation }) => conversation);
}

/** Takes the steps and checks that the view shows the server's state when all is quiet. */
async function converges(all: readonly Step[]): Promise<void> {
  const world = new ViewWorld();
  world.start();
  world.online();
  const screens = new Screens();
  for (const one of all) await take(world, screens, one);
  world.online();
  await jest.advanceTimersByTimeAsync(1_000);
  world.deliver(Number.MAX_SAFE_INTEGER);
  await jest.advanceTimersByTimeAsync(QUIET_MS);
  expect(shown(world)).toEqual(world.expected);
  const { relations, groups } = world.view.people;
  const related = [...world.relations.values()].filter(({ state }) => state !== "none");
  expect(relations.map(({ name: _, ...row }) => row)).toEqual(expect.arrayContaining(related));
  expect(relations).toHaveLength(related.length);
  const present = [...world.groups.values()].filter(({ role }) => role !== undefined);
  expect(groups.map(({ groupId, name, role }) => [groupId, name, role]).sort()).toEqual(
    present.map(({ groupId, name, role }) => [groupId, name, role]).sort(),
  );
  for (const screen of screens.values()) screen.look();
  expect(screens.faults).toEqual([]);
  for (const { conversationId, lastSeq } of world.view.conversations) {
    for (const around of [screens.get(conversationId)?.around ?? lastSeq >> 1, undefined]) {
      expect(await allMessages(world, conversationId, around)).toEqual(world.expectedMessages(conversationId));
    }
  }
  await world.end(false);
}

test("the view equals the model after events, pages, receipts, recalls, settings, cuts and restarts in any order", async () => {
  await fc.assert(fc.asyncProperty(steps, converges), { numRuns: 400 });
});

// The test above found these, in some ten thousand runs. The server reads a page of SYNC after 5 ms, and it arrives after 10.
test.each<[string, Step[]]>([
  [
    "read on this device before its event is here, while a page is under way that does not know of it",
    [
      { do: "write", at: 0, isMine: false, count: 2 },
      { do: "deliver", count: 1 },
      { do: "wait", ms: 7 },
      { do: "read", at: 0, back: 0, isHere: true },
      { do: "deliver", count: 1 },
    ],
  ],
  [
    "the same, and nothing of the conversation is here",
    [
      { do: "write", at: 2, isMine: false, count: 1 },
      { do: "wait", ms: 7 },
      { do: "read", at: 2, back: 0, isHere: true },
    ],
  ],
  [
    "read on another device while the first page with the conversation is under way",
    [
      { do: "write", at: 2, isMine: false, count: 1 },
      { do: "wait", ms: 7 },
      { do: "read", at: 2, back: 0, isHere: false },
    ],
  ],
  [
    "read beyond the last number, which the server cuts off: what is written next is not read",
    [
      { do: "read", at: 1, back: -1, isHere: true },
      { do: "write", at: 1, isMine: false, count: 1 },
    ],
  ],
  [
    "settings of a conversation that is written to while a sync of several pages is under way",
    [
      { do: "write", at: 2, isMine: false, count: 1 },
      { do: "write", at: 1, isMine: false, count: 1 },
      { do: "wait", ms: 15_000 },
      { do: "recall", at: 2, back: 0 },
      { do: "write", at: 3, isMine: false, count: 1 },
      { do: "write", at: 0, isMine: false, count: 1 },
      { do: "settings", at: 1, pinned: true, muted: false, clearBack: undefined },
      { do: "wait", ms: 7 },
      { do: "write", at: 1, isMine: false, count: 1 },
    ],
  ],
  [
    "a group that ends after the first page has told of it, while another one begins",
    [
      { do: "write", at: 0, isMine: false, count: 1 },
      { do: "write", at: 1, isMine: false, count: 1 },
      { do: "wait", ms: 1 },
      { do: "member", at: 4, role: "member" },
      { do: "write", at: 2, isMine: false, count: 1 },
      { do: "wait", ms: 7 },
      { do: "member", at: 4, role: undefined },
      { do: "member", at: 5, role: "member" },
    ],
  ],
])("%s", async (_, all) => converges(all));
