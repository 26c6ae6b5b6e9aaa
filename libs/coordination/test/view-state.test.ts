import type { Entry } from "../src/kv/bucket";
import { ViewState } from "../src/view/view-state";

const TTL = 10_000;
const GRACE = 8_000;

function stateAt(): ViewState {
  return new ViewState({ ttlMs: TTL, graceMs: GRACE, outageMs: 5_000 });
}

function put(nodeId: string, revision: number, more: object = {}): Entry {
  const record = { nodeId, boot: `boot-${nodeId}`, role: "logic", addresses: {}, weight: 1, state: "up", ...more };
  return { key: `logic.${nodeId}`, revision, value: JSON.stringify(record) };
}

function end(nodeId: string, revision: number, ended: "deleted" | "expired"): Entry {
  return { key: `logic.${nodeId}`, revision, value: "", ended };
}

function listing(...entries: Entry[]) {
  return { created: "first", entries };
}

function names(state: ViewState): string[] {
  return [...state.records()].map(({ nodeId }) => nodeId).sort();
}

test("joins, departures and changes are told, renewals and loads are not", () => {
  const state = stateAt();
  expect(state.entry(put("a", 1), 0)).toBe(true);
  expect(state.entry(put("b", 2), 0)).toBe(true);
  expect(state.entry(put("a", 3), 2_000)).toBe(false);
  expect(state.entry(put("a", 4, { load: { sessions: 7 } }), 2_000)).toBe(false);
  expect([...state.records()][0]!.load).toEqual({ sessions: 7 });
  expect(state.entry(put("a", 5, { state: "draining" }), 3_000)).toBe(true);
  expect(state.entry(put("a", 6, { boot: "next" }), 3_000)).toBe(true);
  expect(state.entry(end("a", 7, "deleted"), 3_000)).toBe(true);
  expect(state.entry(end("b", 8, "expired"), 3_000)).toBe(true);
  expect(names(state)).toEqual([]);
});

test("older news than what is known changes nothing", () => {
  const state = stateAt();
  state.entry(put("a", 5), 0);
  expect(state.entry(end("a", 4, "deleted"), 1)).toBe(false);
  state.entry(end("a", 6, "deleted"), 2);
  expect(state.listing(listing(put("a", 5)), 3)).toBe(false);
  expect(names(state)).toEqual([]);
});

test("a departure that the watch missed is found by a listing", () => {
  const state = stateAt();
  state.listing(listing(put("a", 1), put("b", 2)), 0);
  expect(state.listing(listing(put("b", 4), end("a", 3, "expired")), 3_000)).toBe(true);
  expect(names(state)).toEqual(["b"]);
});

test("a listing without a node is believed only when its ttl is over", () => {
  const state = stateAt();
  state.entry(put("a", 1), 0);
  for (const now of [3_000, 6_000, 9_000]) expect(state.listing(listing(), now)).toBe(false);
  expect(names(state)).toEqual(["a"]);
  expect(state.listing(listing(), 12_000)).toBe(true);
  expect(names(state)).toEqual([]);
});

test("after an outage expired nodes are held until the grace is over", () => {
  const state = stateAt();
  state.listing(listing(put("a", 1), put("b", 2), put("c", 3)), 0);
  expect(state.entry(end("a", 4, "expired"), 30_000)).toBe(false);
  expect(state.entry(end("b", 5, "expired"), 30_000)).toBe(false);
  expect(state.entry(end("c", 6, "deleted"), 30_000)).toBe(true);
  expect(names(state)).toEqual(["a", "b"]);
  expect(state.entry(put("a", 7), 31_000)).toBe(false);
  for (const now of [33_000, 36_000]) expect(state.listing(listing(put("a", 7)), now)).toBe(false);
  expect(state.listing(listing(put("a", 8)), 30_000 + GRACE + 1_000)).toBe(true);
  expect(names(state)).toEqual(["a"]);
});

test("nodes that an outage removed without a marker are held as well", () => {
  const state = stateAt();
  state.listing(listing(put("a", 1), put("b", 2)), 0);
  expect(state.listing(listing(), 30_000)).toBe(false);
  expect(state.listing(listing(put("b", 9)), 34_000)).toBe(false);
  expect(state.listing(listing(put("b", 10)), 38_500)).toBe(true);
  expect(names(state)).toEqual(["b"]);
});

test("a bucket that was made again counts its revisions anew; its nodes have the grace time to come back", () => {
  const state = stateAt();
  state.listing(listing(put("a", 100), put("b", 200)), 0);
  const replaced = { created: "second", entries: [put("a", 1)] };
  expect(state.isReplaced(replaced)).toBe(true);
  expect(state.listing(replaced, 3_000)).toBe(false);
  expect(names(state)).toEqual(["a", "b"]);
  for (const now of [6_000, 9_000]) {
    expect(state.listing({ created: "second", entries: [put("a", now)] }, now)).toBe(false);
  }
  expect(state.listing({ created: "second", entries: [put("a", 12_000)] }, 12_000)).toBe(true);
  expect(names(state)).toEqual(["a"]);
});

test("what is no record of its key is no node", () => {
  const state = stateAt();
  const foreign = { ...put("a", 1), key: "logic.other" };
  const broken = { key: "logic.x", revision: 2, value: "{" };
  const weightless = put("c", 3, { weight: 0 });
  expect([foreign, broken, weightless].map((entry) => state.entry(entry, 0))).toEqual([false, false, false]);
  expect(names(state)).toEqual([]);
});
