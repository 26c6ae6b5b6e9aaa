import { sleep } from "@carillon/base";
import { Arrivals } from "./arrivals";
import { CONTENT_BYTES, readContent, writeContent } from "./content";
import { LoadLoop } from "./load-loop";
import type { LoadClientSpec, LoadEvents, LoadProtocol } from "./load-protocol";
import { Schedule } from "./schedule";

describe("the schedule of an open loop", () => {
  test("sends as many as are due, never before, on a grid of a millisecond", () => {
    const schedule = new Schedule(2_500, 1_000);
    const dues: number[] = [];
    schedule.run(1_003.9, (_, due) => dues.push(due));
    expect(dues).toEqual(
      [1_000, 1_001, 1_001, 1_002, 1_002, 1_002, 1_003, 1_003].sort((a, b) => a - b).slice(0, dues.length),
    );
    for (const [index, due] of dues.entries()) expect(due).toBeGreaterThanOrEqual(1_000 + (index * 1_000) / 2_500);
    expect(dues.every(Number.isInteger)).toBe(true);
  });

  test("sends after a stall every message that was due meanwhile, with the instants at which they were due", () => {
    const schedule = new Schedule(1_000, 0);
    const sent: [number, number][] = [];
    schedule.run(2, (index, due) => sent.push([index, due]));
    schedule.run(1_002, (index, due) => sent.push([index, due]));
    expect(sent).toHaveLength(1_003);
    expect(sent.at(-1)).toEqual([1_002, 1_002]);
    expect(sent[500]).toEqual([500, 500]);
  });

  test.each([1, 333, 4_567, 20_000])("%d per second are as many", (rate) => {
    const schedule = new Schedule(rate, 0);
    let count = 0;
    for (let now = 0; now < 10_000; now += 0.5) schedule.run(now, () => count++);
    expect(Math.abs(count - rate * 10)).toBeLessThanOrEqual(1 + rate / 1_000);
  });
});

describe("arrivals", () => {
  test("accept numbers that come once and in order", () => {
    const arrivals = new Arrivals();
    for (let number = 0; number < 5; number++) expect(arrivals.take(number, false)).toBeUndefined();
    expect(arrivals.missing(5)).toBe(0);
    expect(arrivals.missing(7)).toBe(2);
  });

  test("report a double, and a message before its turn", () => {
    const arrivals = new Arrivals();
    arrivals.take(0, false);
    expect(arrivals.take(0, false)).toBe("message 0 came twice");
    expect(arrivals.take(2, false)).toBe("message 2 came before 1");
    expect(arrivals.take(2, true)).toBe("message 2 came twice");
    expect(arrivals.missing(3)).toBe(1);
  });

  test("accept another order after a repetition, but no doubles", () => {
    const arrivals = new Arrivals();
    for (const number of [1, 2, 0, 4, 3]) expect(arrivals.take(number, true)).toBeUndefined();
    expect(arrivals.missing(5)).toBe(0);
    expect(arrivals.take(4, true)).toBe("message 4 came twice");
  });
});

describe("content", () => {
  test("contains number and instant, and has its size", () => {
    const into = { number: 0, us: 0 };
    for (const [number, us] of [
      [0, 0],
      [12, 345_678_901],
      [4_294_967_295, 2 ** 45],
    ] as const) {
      const content = writeContent(number, us);
      expect(content).toHaveLength(CONTENT_BYTES);
      expect(readContent(content, into)).toBe(true);
      expect(into).toEqual({ number, us });
    }
  });

  test("refuses texts that no generator has written", () => {
    const into = { number: 0, us: 0 };
    for (const content of ["", "12", "x".repeat(100), "12 34 xx", ` 12 ${"x".repeat(96)}`]) {
      expect(readContent(content, into)).toBe(false);
    }
  });
});

test("clients that are opened later write to each other, beside the earlier ones", async () => {
  const events = new Map<string, LoadEvents>();
  const protocol: LoadProtocol = {
    open: async ({ userId, peerId }, own) => {
      events.set(userId, own);
      const deliver = (content: string) => {
        own.onAccepted();
        events.get(peerId)!.onMessage(content);
      };
      return { send: (content) => void setImmediate(deliver, content), close: () => {} };
    },
  };
  const specs = Array.from({ length: 6 }, (_, i): LoadClientSpec => {
    return { host: "", port: 0, secret: "", userId: `user-${i}`, peerId: `user-${i ^ 1}` };
  });
  const loop = new LoadLoop();
  await loop.open(protocol, specs.slice(0, 2));
  await loop.open(protocol, specs.slice(2));
  await loop.startClosed(2);
  loop.stop();
  await sleep(20);
  const { sent, accepted, received, missing, errors } = loop.progress();
  expect(sent).toBeGreaterThan(12);
  expect({ accepted, received, missing, errors }).toEqual({ accepted: sent, received: sent, missing: 0, errors: [] });
});
