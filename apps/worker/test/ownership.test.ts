import { silentLogger } from "@carillon/base/node";
import { PartitionLost } from "@carillon/bus";
import { until } from "@carillon/testkit";
import { type FormerOwner, Ownership, type PartitionSteps } from "../src/partition/ownership";
import { newPartitionState } from "../src/partition/state";
import type { Placement } from "../src/ports";

/** Of an owner who has not written for long. */
const lastRecord: FormerOwner = { boot: "other", released: false, seq: 7, ageMs: 60_000 };

const describe = () => ({ nodeId: "me", epoch: 1, covered: 0, lastSeq: 0, fanout: 0 });

/** A worker named "me" among imaginary others; what it does is written down. */
function worker({ boot = "me", ...changes }: Partial<PartitionSteps & Placement & { boot: string }> = {}) {
  const state = {
    mine: new Set([0, 1]),
    toCome: new Set<number>(),
    successors: new Set<number>(),
    alive: new Set<string>(),
    present: new Set<string>(["other"]),
    former: undefined as FormerOwner | undefined,
    did: [] as string[],
    lose: new Map<number, () => void>(),
  };
  const placement = {
    isMine: (partition: number) => state.mine.has(partition),
    hasSuccessor: (partition: number) => state.successors.has(partition),
    willBeMine: (partition: number) => state.toCome.has(partition),
    isAlive: (former: string) => state.alive.has(former),
    isPresent: (former: string) => state.present.has(former),
    ...changes,
  };
  const steps: PartitionSteps = {
    askRelease: async (partition) => void state.did.push(`ask ${partition}`),
    formerOwner: async () => state.former,
    foldEarly: async (partition) => {
      state.did.push(`fold ${partition}`);
      return newPartitionState(partition, 0);
    },
    report: (partition, trouble) => void state.did.push(`report ${partition}: ${trouble}`),
    take: async (partition, early, onLost) => {
      if (early !== undefined) state.did.push("on top of what was folded");
      state.did.push(`take ${partition}`);
      state.lose.set(partition, onLost);
      return {
        release: async () => void state.did.push(`release ${partition}`),
        abandon: async () => void state.did.push(`abandon ${partition}`),
        describe,
      };
    },
    ...changes,
  };
  const ownership = new Ownership({ partitions: 3, boot, placement, bus: { logger: silentLogger() } }, steps);
  return { state, ownership };
}

test("takes what is assigned, releases what no longer is, and everything at the end", async () => {
  const { state, ownership } = worker();
  ownership.start();
  await until("two taken", () => ownership.partitions.length === 2);
  state.mine = new Set([1, 2]);
  ownership.check();
  await until("one more taken", () => ownership.partitions.join() === "0,1,2");
  // It stays until its successor is ready; a partition that is still assigned stays, whoever asks.
  ownership.handOver(0);
  ownership.handOver(1);
  await until("one moved", () => ownership.partitions.join() === "1,2");
  await ownership.stop();
  expect(state.did.sort()).toEqual(["release 0", "release 1", "release 2", "take 0", "take 1", "take 2"]);
});

test("waits for a living owner until he released, or is suspected", async () => {
  const { state, ownership } = worker();
  state.mine = new Set([0]);
  state.former = lastRecord;
  state.alive.add("other");
  ownership.start();
  await until("asked twice", () => state.did.length === 3);
  expect(state.did).toEqual(["fold 0", "ask 0", "ask 0"]);
  state.former = { ...lastRecord, released: true };
  await until("taken after the release", () => state.did.includes("take 0"));
  expect(state.did.slice(-2)).toEqual(["on top of what was folded", "take 0"]);
  state.former = lastRecord;
  state.mine.add(1);
  ownership.check();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(state.did).not.toContain("take 1");
  state.alive.clear();
  await until("taken from the suspected one", () => state.did.includes("take 1"));
  await ownership.stop();
});

test("what nobody asks for is released after a while, and a worker that stops waits for its successors", async () => {
  const { state, ownership } = worker();
  ownership.start();
  await until("two taken", () => ownership.partitions.length === 2);
  state.mine = new Set([1]);
  state.successors = new Set([1]);
  await until("released unasked", () => state.did.includes("release 0"));
  const stopping = ownership.stop();
  state.mine = new Set();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(state.did).not.toContain("release 1");
  ownership.handOver(1);
  await stopping;
  expect(state.did.filter((what) => what === "release 1")).toHaveLength(1);
});

test("folds the log when the owner's heartbeat was missed, and forgets it when he comes back", async () => {
  const { state, ownership } = worker();
  state.mine = new Set();
  state.toCome = new Set([1]);
  ownership.start();
  ownership.check();
  expect(state.did).toEqual(["fold 1"]);
  state.toCome.clear();
  ownership.check();
  state.toCome.add(1);
  ownership.check();
  expect(state.did).toEqual(["fold 1", "fold 1"]);
  state.mine.add(1);
  ownership.check();
  await until("taken", () => state.did.includes("take 1"));
  expect(state.did).toEqual(["fold 1", "fold 1", "on top of what was folded", "take 1"]);
  await ownership.stop();
});

test("a partition that is lost is given up, and taken again while it is assigned", async () => {
  const { state, ownership } = worker();
  state.mine = new Set([0]);
  ownership.start();
  await until("taken", () => ownership.partitions.length === 1);
  state.lose.get(0)!();
  expect(ownership.partitions).toEqual([]);
  await until("taken again", () => state.did.filter((what) => what === "take 0").length === 2);
  expect(state.did).toEqual(["take 0", "abandon 0", "take 0"]);
  await ownership.stop();
});

test("a partition that two workers take from each other is left to the other for longer each time", async () => {
  jest.spyOn(Math, "random").mockReturnValue(0);
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });
  try {
    const { state, ownership } = worker();
    state.mine = new Set([0]);
    state.former = lastRecord;
    ownership.start();
    const waits: number[] = [];
    const takes = () => state.did.filter((what) => what === "take 0").length;
    while (takes() === 0) await jest.advanceTimersByTimeAsync(25);
    for (let losses = 1; losses <= 7; losses++) {
      state.lose.get(0)!();
      let waited = 0;
      for (; takes() === losses; waited += 100) await jest.advanceTimersByTimeAsync(100);
      waits.push(Math.round(waited / 1_000));
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 32]);
    // A worker that has left the cluster is not waited for.
    state.lose.get(0)!();
    await jest.advanceTimersByTimeAsync(3_000);
    state.present.clear();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(takes()).toBe(9);
    const stopping = ownership.stop();
    await jest.advanceTimersByTimeAsync(5_000);
    await stopping;
  } finally {
    jest.useRealTimers();
    jest.restoreAllMocks();
  }
});

test("whoever suspects an owner takes nothing while its records come, and everything once they do not", async () => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });
  try {
    const { state, ownership } = worker();
    state.mine = new Set([0]);
    // As old as the clock of the log says; after that its records are counted.
    state.former = { ...lastRecord, ageMs: 300 };
    const writing = setInterval(() => {
      state.former = { ...lastRecord, seq: state.former!.seq + 1, ageMs: -5_000 };
    }, 700);
    ownership.start();
    await jest.advanceTimersByTimeAsync(40_000);
    expect(state.did).not.toContain("take 0");
    clearInterval(writing);
    await jest.advanceTimersByTimeAsync(1_500);
    expect(state.did.at(-1)).toBe("take 0");
    const stopping = ownership.stop();
    await jest.advanceTimersByTimeAsync(5_000);
    await stopping;
  } finally {
    jest.useRealTimers();
  }
});

test("two workers who suspect each other leave a partition in which people write with one of them", async () => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });
  try {
    const log = { seq: 0, boot: "", at: 0 };
    const append = (boot: string) => Object.assign(log, { seq: log.seq + 1, boot, at: performance.now() });
    const lose = new Map<string, () => void>();
    const takes: string[] = [];
    const newWorker = (boot: string) =>
      worker({
        boot,
        isMine: (partition) => partition === 0,
        isAlive: () => false,
        isPresent: () => true,
        formerOwner: async () =>
          log.seq === 0
            ? undefined
            : { boot: log.boot, released: false, seq: log.seq, ageMs: performance.now() - log.at },
        take: async (_partition, _early, onLost) => {
          append(boot);
          takes.push(boot);
          lose.set(boot, onLost);
          return { release: async () => {}, abandon: async () => {}, describe };
        },
      }).ownership;
    const workers = [newWorker("a"), newWorker("b")];
    // An owner learns from its next append that the log has another one.
    const writing = setInterval(() => {
      for (const [boot, onLost] of lose) {
        if (boot === log.boot) append(boot);
        else if (lose.delete(boot)) onLost();
      }
    }, 50);
    for (const each of workers) each.start();
    await jest.advanceTimersByTimeAsync(75_000);
    // Both saw an empty log at first.
    expect(takes).toEqual(["a", "b"]);
    clearInterval(writing);
    const stopping = Promise.all(workers.map((each) => each.stop()));
    await jest.advanceTimersByTimeAsync(10_000);
    await stopping;
  } finally {
    jest.useRealTimers();
  }
});

test("one that was lost while it was being taken does not count as owned", async () => {
  const abandoned: number[] = [];
  let tries = 0;
  const { ownership } = worker({
    take: async (partition, _early, onLost) => {
      if (++tries > 1) throw new PartitionLost(partition);
      onLost();
      return { release: async () => {}, abandon: async () => void abandoned.push(partition), describe };
    },
    isMine: (partition) => partition === 0,
  });
  ownership.start();
  await until("abandoned", () => abandoned.length === 1);
  expect(ownership.partitions).toEqual([]);
  await ownership.stop();
});

test("what stands in the way of a take-over is told, and it is tried again", async () => {
  let tries = 0;
  const { state, ownership } = worker({
    isMine: (partition) => partition === 2,
    take: async () => {
      if (++tries === 1) throw new Error("the log does not fit");
      return { release: async () => {}, abandon: async () => {}, describe };
    },
  });
  ownership.start();
  await until("taken", () => ownership.partitions.length === 1);
  expect(state.did).toEqual(["report 2: the log does not fit"]);
  await ownership.stop();
});
