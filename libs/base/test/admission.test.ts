import { Admission, type AdmissionOptions, Budgets, type Overloaded, sleep, TokenBucket } from "../src";

const monotonic = () => performance.now();

function admission(options: Partial<AdmissionOptions>): Admission {
  return new Admission({ atOnce: 2, waiting: 3, patienceMs: 4_000, monotonic, random: () => 0.5, ...options });
}

/** Work of `ms`, noted when it begins. */
function worker(begun: string[]) {
  return (name: string, ms: number) => async () => {
    begun.push(name);
    await sleep(ms);
    return name;
  };
}

/** Name of the error, or the result. */
const outcome = (promise: Promise<string>) => promise.catch((error: Error) => error.name);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe("admission", () => {
  test("so much is under way, so much waits in order, the rest is refused", async () => {
    const begun: string[] = [];
    const work = worker(begun);
    const gate = admission({});
    const all = ["a", "b", "c", "d", "e", "f"].map((name) => outcome(gate.run(work(name, 100))));
    expect([gate.underWay, gate.waiting]).toEqual([2, 3]);
    await jest.advanceTimersByTimeAsync(99);
    expect(begun).toEqual(["a", "b"]);
    await jest.advanceTimersByTimeAsync(1);
    expect(begun).toEqual(["a", "b", "c", "d"]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(await Promise.all(all)).toEqual(["a", "b", "c", "d", "e", "Overloaded"]);
    expect([gate.underWay, gate.waiting]).toEqual([0, 0]);
  });

  test("what nobody waits for any more is never begun", async () => {
    const begun: string[] = [];
    const work = worker(begun);
    const gate = admission({ atOnce: 1 });
    const now = monotonic();
    const all = [
      outcome(gate.run(work("long", 1_000))),
      outcome(gate.run(work("gone", 10), { deadline: now + 900 })),
      outcome(gate.run(work("there", 10), { deadline: now + 1_100 })),
      outcome(gate.run(work("late", 10), { deadline: now - 1 })),
    ];
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await Promise.all(all)).toEqual(["long", "Abandoned", "there", "Abandoned"]);
    expect(begun).toEqual(["long", "there"]);
  });

  test("one whose turn does not come in time is told to come back, also when nothing moves at all", async () => {
    const gate = admission({ atOnce: 1 });
    void gate.run(() => new Promise(() => {}));
    const waiting = outcome(gate.run(async () => "done", { deadline: monotonic() + 5_000 }));
    await jest.advanceTimersByTimeAsync(4_000);
    expect(await waiting).toBe("Overloaded");
    expect(gate.waiting).toBe(0);
  });

  test("a key fills neither the work nor the queue, and does not hold up others", async () => {
    const begun: string[] = [];
    const work = worker(begun);
    const gate = admission({ atOnce: 3, waiting: 10, perKey: { atOnce: 1, waiting: 2 } });
    const greedy = ["g1", "g2", "g3", "g4"].map((name) => gate.run(work(name, 100), { key: "greedy" }));
    const refused = greedy[3]!.catch((error: Overloaded) => error);
    const others = ["o1", "o2"].map((name) => gate.run(work(name, 100), { key: name }));
    expect(await refused).toMatchObject({ name: "Overloaded", isOfKey: true });
    expect(begun).toEqual(["g1", "o1", "o2"]);
    await jest.advanceTimersByTimeAsync(100);
    expect(begun).toEqual(["g1", "o1", "o2", "g2"]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(await Promise.all([...greedy.slice(0, 3), ...others])).toEqual(["g1", "g2", "g3", "o1", "o2"]);
  });

  test("work that fails makes room as well", async () => {
    const gate = admission({ atOnce: 1 });
    await expect(gate.run(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(await gate.run(async () => "next")).toBe("next");
  });

  test("each refusal books a later turn, with a random share, and nobody is sent away for too long", async () => {
    const randoms = [0, 0.999];
    const gate = admission({ atOnce: 1, waiting: 0, random: () => randoms[0]! });
    const slow = gate.run(() => sleep(2_000));
    await jest.advanceTimersByTimeAsync(2_000);
    await slow;
    void gate.run(() => new Promise(() => {}));
    const refusals = async () => {
      const times: number[] = [];
      for (let i = 0; i < 40; i++) {
        await gate.run(async () => {}).catch((error: Overloaded) => times.push(error.retryAfterMs));
      }
      return times;
    };
    const early = await refusals();
    expect(early).toEqual([...early].sort((a, b) => a - b));
    // Ten turns of about 220 ms, each a ninth of that.
    expect(early[10]! - early[0]!).toBeGreaterThan(150);
    expect(early.every((ms) => Number.isInteger(ms) && ms >= 500 && ms <= 16_000)).toBe(true);
    randoms.shift();
    expect(Math.max(...(await refusals()))).toBeGreaterThan(Math.max(...early) + 500);
    // What was booked is over some time: who comes then is not sent away for longer than the first.
    await jest.advanceTimersByTimeAsync(35_000);
    randoms.unshift(0);
    expect((await refusals())[0]).toBe(early[0]);
  });

  test("where more may wait, those do whose turn can be expected in time", async () => {
    const gate = admission({ atOnce: 1, waiting: 2, mostWaiting: 1_000, patienceMs: 3_000 });
    const slow = gate.run(() => sleep(10_000));
    await jest.advanceTimersByTimeAsync(10_000);
    await slow;
    // Work takes about a second lately, and a third of that can be expected: nine turns in the patience.
    const all = Array.from({ length: 20 }, (_, i) => outcome(gate.run(() => sleep(100).then(() => `${i}`))));
    expect([gate.underWay, gate.waiting]).toEqual([1, 9]);
    await jest.advanceTimersByTimeAsync(3_000);
    const served = Array.from({ length: 10 }, (_, i) => `${i}`);
    expect(await Promise.all(all)).toEqual([...served, ...Array.from({ length: 10 }, () => "Overloaded")]);
  });

  test("a crowd that comes together is served at the pace of the work, and nobody is given up", async () => {
    const gate = new Admission({ atOnce: 32, waiting: 64, patienceMs: 4_000, monotonic });
    const waits: number[] = [];
    const device = async () => {
      for (;;) {
        const done = await gate
          .run(() => sleep(100))
          .then(
            () => 0,
            (error: unknown) => (error as Overloaded).retryAfterMs,
          );
        if (done === 0) return void waits.push(monotonic());
        await sleep(done);
      }
    };
    const crowd = Promise.all(Array.from({ length: 3_000 }, device));
    await jest.advanceTimersByTimeAsync(30_000);
    await crowd;
    // 3,000 pieces of 100 ms, 32 at once: 9.4 s without a pause.
    expect(Math.max(...waits) - Math.min(...waits)).toBeLessThan(20_000);
  });
});

describe("a token bucket", () => {
  test("gives its burst at once, then its rate, and says how long to wait", () => {
    const bucket = new TokenBucket(10, 3, 0);
    expect([0, 0, 0].map((now) => bucket.take(now))).toEqual([0, 0, 0]);
    expect(bucket.take(0)).toBe(100);
    expect(bucket.take(100)).toBe(0);
    expect(bucket.take(100)).toBe(100);
    expect([10_000, 10_000, 10_000].map((now) => bucket.take(now))).toEqual([0, 0, 0]);
    expect(bucket.take(10_000)).toBeGreaterThan(0);
  });

  test("is paid by cost; one above the burst is paid by a full bucket, which then owes the rest", () => {
    const bucket = new TokenBucket(10, 20, 0);
    expect(bucket.take(0, 15)).toBe(0);
    expect(bucket.take(0, 15)).toBe(1_000);
    expect(bucket.take(1_000, 50)).toBe(500);
    expect(bucket.take(1_500, 50)).toBe(0);
    expect(bucket.take(1_500)).toBe(3_100);
  });

  test("takes back what was not needed, up to its burst", () => {
    const bucket = new TokenBucket(1, 2, 0);
    bucket.take(0, 2);
    bucket.giveBack(5);
    expect([bucket.take(0), bucket.take(0)]).toEqual([0, 0]);
    expect(bucket.take(0)).toBe(1_000);
  });
});

describe("budgets", () => {
  const options = { perSecond: 1, burst: 2, monotonic: () => 0 };

  test("each key has its own; who paid in vain gets it back", () => {
    const budgets = new Budgets(options);
    expect([budgets.take("a"), budgets.take("a"), budgets.take("a"), budgets.take("b")]).toEqual([0, 0, 1_000, 0]);
    budgets.giveBack("a");
    budgets.giveBack("unknown");
    expect([budgets.take("a"), budgets.take("a")]).toEqual([0, 1_000]);
    budgets.forget("a");
    expect(budgets.take("a", 2)).toBe(0);
  });

  test("of too many keys the one that was used longest ago is forgotten", () => {
    const budgets = new Budgets(options, 2);
    budgets.take("a", 2);
    budgets.take("b", 2);
    expect(budgets.take("a")).toBe(1_000);
    budgets.take("c");
    expect(budgets.take("a")).toBe(1_000);
    expect(budgets.take("b")).toBe(0);
  });
});
