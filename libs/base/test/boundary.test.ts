import { type CaughtError, caughtErrors, detached, GroupCommit, guarded, onCaught, TimerWheel } from "../src";

const told: CaughtError[] = [];
let stop: () => void;
beforeEach(() => {
  told.length = 0;
  stop = onCaught((caught) => told.push(caught));
});
afterEach(() => stop());

const failure = new Error("broken");
const fail = () => {
  throw failure;
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("an error of a callback is told and counted once, ends what it belongs to, and goes no further", () => {
  const before = caughtErrors().get("socket") ?? 0;
  let ended = 0;
  guarded("socket", fail, { remote: "10.0.0.1:99", end: () => ended++ })();
  expect(told).toEqual([{ place: "socket", error: failure, remote: "10.0.0.1:99" }]);
  expect(ended).toBe(1);
  expect(caughtErrors().get("socket")).toBe(before + 1);
});

test("so is one of the promise that it returns, and one of work that goes on by itself", async () => {
  let ended = 0;
  const end = () => ended++;
  guarded("timer", async () => fail(), { end })();
  detached("request", Promise.reject(failure), { end });
  guarded("timer", async () => "well")();
  await turn();
  expect(told.map(({ place }) => place).sort()).toEqual(["request", "timer"]);
  expect(ended).toBe(2);
});

test("an end that fails is told as well, and so is a listener that fails not", () => {
  guarded("socket", fail, { end: fail })();
  expect(told).toHaveLength(2);
  const stopFailing = onCaught(fail);
  expect(() => guarded("socket", fail)()).not.toThrow();
  stopFailing();
});

test("arguments are handed on", () => {
  const seen: unknown[] = [];
  guarded("socket", (...args: number[]) => void seen.push(...args))(1, 2);
  expect(seen).toEqual([1, 2]);
});

test("a deadline whose callback fails does not keep the others of its tick", () => {
  let now = 0;
  const wheel = new TimerWheel(100, 8, () => now);
  let expired = 0;
  for (const expire of [fail, () => expired++]) wheel.set({ due: -1, expire }, 100);
  now = 200;
  wheel.advance();
  expect(expired).toBe(1);
  expect(told).toEqual([{ place: "timer", error: failure, remote: undefined }]);
});

test("a batch that breaks the rule does not stop those behind it", async () => {
  const committed: number[] = [];
  const commits = new GroupCommit<number>({
    commit: async ([item]) => {
      if (item === 1) fail();
      committed.push(item!);
    },
    maxItems: 1,
    maxWaiting: 10,
  });
  commits.add(1);
  commits.add(2);
  await commits.idle();
  expect(committed).toEqual([2]);
  expect(told.map(({ place }) => place)).toEqual(["commit"]);
});
