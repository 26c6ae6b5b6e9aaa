import {
  Backoff,
  ClusterClock,
  GroupCommit,
  hash32,
  nextSnowflake,
  parseSnowflake,
  partitionOf,
  retryFor,
  TimerWheel,
  uuidv7,
} from "@carillon/base";

describe("hash32", () => {
  // Values of the reference implementation of MurmurHash3_x86_32.
  test.each([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["test", 0, 0xba6bd213],
    ["Hello, world!", 0, 0xc0363e43],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
  ])("of %j with seed %i", (text, seed, expected) => {
    expect(hash32(text, seed)).toBe(expected);
  });

  test("partitions are even", () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) counts[partitionOf(`p:user${i}:user${i * 7}`, 4)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe("snowflake", () => {
  test("rises with a clock that stands still, goes back, and runs out of numbers", () => {
    const state = { ms: 0, counter: 0 };
    const start = Date.UTC(2026, 0, 1);
    let last = 0n;
    for (let i = 0; i < 10_000; i++) {
      const id = BigInt(nextSnowflake(state, 5, i === 5_000 ? start - 10_000 : start));
      expect(id > last).toBe(true);
      last = id;
    }
    expect(parseSnowflake(last.toString())).toEqual({ partition: 5, ms: start + 2, counter: 10_000 - 1 - 8192 });
  });
});

describe("uuidv7", () => {
  test("carries its time and version", () => {
    const id = uuidv7(0x0123456789ab);
    expect(id).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("of the same bytes is the same, and leaves them as they are", () => {
    const bytes = new Uint8Array(32).fill(0xff);
    expect(uuidv7(1, bytes)).toBe("00000000-0001-7fff-bfff-ffffffffffff");
    expect(bytes).toEqual(new Uint8Array(32).fill(0xff));
  });
});

describe("clock", () => {
  const START = 5_000_000_000_000;
  let monotonic = 0;
  const newClock = () => {
    monotonic = 1_000;
    jest.spyOn(performance, "now").mockImplementation(() => monotonic);
    const clock = new ClusterClock();
    clock.adjust(START, monotonic, monotonic);
    return clock;
  };
  afterEach(() => jest.restoreAllMocks());

  test("follows the reference, forwards at once", () => {
    const clock = newClock();
    expect(clock.now()).toBe(START);
    clock.adjust(START + 3_600_000, monotonic, monotonic);
    expect(clock.now()).toBe(START + 3_600_000);
  });

  test("a clock that is a little ahead never goes back: it runs at half speed until the reference has caught up", () => {
    const clock = newClock();
    expect(clock.now()).toBe(START);
    clock.adjust(START - 10_000, monotonic, monotonic);
    const shown: number[] = [];
    for (const ms of [0, 1, 5_000, 10_000, 20_000, 21_000]) {
      monotonic = 1_000 + ms;
      shown.push(clock.now() - START);
    }
    expect(shown).toEqual([0, 0, 2_500, 5_000, 10_000, 11_000]);
  });

  test("a clock that is far ahead is set back, and does not stand still for an hour", () => {
    const clock = newClock();
    clock.adjust(START + 3_600_000, monotonic, monotonic);
    clock.now();
    clock.adjust(START, monotonic, monotonic);
    monotonic += 100;
    expect(clock.now()).toBe(START + 100);
  });
});

describe("backoff", () => {
  test("doubles up to the ceiling, and starts again after a reset", () => {
    const backoff = new Backoff({ first: 100, most: 500 });
    expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([100, 200, 400, 500]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});

describe("group commit", () => {
  test("commits one batch at a time, in order, inside its bounds", async () => {
    const batches: number[][] = [];
    let running = 0;
    const commits = new GroupCommit<number>({
      maxItems: 4,
      maxBytes: 10,
      sizeOf: (item) => item,
      maxWaiting: 6,
      commit: async (batch) => {
        expect(++running).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        batches.push(batch);
        running--;
      },
    });
    expect([1, 2, 3, 9, 20, 1, 1].map((item) => commits.add(item))).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    await commits.idle();
    expect(batches).toEqual([[1, 2, 3], [9], [20], [1]]);
    expect(commits.add(7)).toBe(true);
    await commits.idle();
    expect(batches.at(-1)).toEqual([7]);
  });
});

describe("timer wheel", () => {
  test("expires entries in their tick, also beyond one turn, and not those that were cancelled or moved", () => {
    let now = 0;
    const wheel = new TimerWheel(100, 8, () => now);
    const fired: string[] = [];
    const entry = (name: string) => ({ due: -1, expire: () => void fired.push(name) });
    const [near, far, cancelled, moved] = [entry("near"), entry("far"), entry("cancelled"), entry("moved")];
    wheel.set(near, 250);
    wheel.set(far, 2_000);
    wheel.set(cancelled, 250);
    wheel.set(moved, 250);
    wheel.cancel(cancelled);
    wheel.set(moved, 900);
    const step = (to: number) => {
      for (; now <= to; now += 100) wheel.advance();
      return [...fired];
    };
    expect(step(200)).toEqual([]);
    expect(step(300)).toEqual(["near"]);
    expect(step(900)).toEqual(["near", "moved"]);
    expect(step(2_000)).toEqual(["near", "moved", "far"]);
  });

  test("a stalled process still expires everything once", () => {
    let now = 0;
    const wheel = new TimerWheel(100, 8, () => now);
    let fired = 0;
    for (let i = 0; i < 20; i++) wheel.set({ due: -1, expire: () => void fired++ }, i * 100);
    now = 60_000;
    wheel.advance();
    expect(fired).toBe(20);
  });
});

describe("retryFor", () => {
  const failing = (times: number) => {
    let tries = 0;
    return async () => {
      if (++tries <= times) throw new Error(`failure ${tries}`);
      return tries;
    };
  };

  test("goes on until it works", async () => {
    expect(await retryFor(60_000, failing(2))).toBe(3);
  });

  test("throws the last error when its time is over, and a final one at once", async () => {
    await expect(retryFor(0, failing(5))).rejects.toThrow("failure");
    await expect(retryFor(60_000, failing(5), () => true)).rejects.toThrow("failure 1");
  });
});
