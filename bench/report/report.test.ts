import { makeAccount } from "../account/account";
import { describeSummary, median, ratios, summarise } from "./summary";
import { describeJudged, judge, TARGETS } from "./targets";

test("a median is right for odd and even numbers of rounds", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(summarise([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
  expect(() => summarise([])).toThrow(RangeError);
});

test("ratios are taken round by round", () => {
  expect(ratios([10, 40, 30], [5, 10, 10])).toEqual({ median: 3, min: 2, max: 4 });
});

test("one round has no range", () => {
  expect(describeSummary({ median: 1.25, min: 1.25, max: 1.25 })).toBe("1.3");
  expect(describeSummary({ median: 2, min: 1, max: 3 }, 0)).toBe("2 (1 to 3)");
});

test("a target is met at its bound, whichever way is better", () => {
  expect(judge("P1", 100).reached).toBe("must");
  expect(judge("P1", 100.1).reached).toBe("missed");
  expect(judge("P1", 60).reached).toBe("stretch");
  expect(judge("P2", 12_000).reached).toBe("must");
  expect(judge("P2", 11_999).reached).toBe("missed");
  expect(judge("P2", 25_000).reached).toBe("stretch");
  expect(describeJudged([judge("P1", 182.4)])).toEqual([
    "  P1           CPU of all servers per delivered message: 182 us (must 100, stretch 60): MISSED",
  ]);
});

test("stretch is never easier than must", () => {
  for (const { must, stretch, isMore = false } of Object.values(TARGETS)) {
    expect(isMore ? stretch >= must : stretch <= must).toBe(true);
  }
});

test("an account divides the use by the messages, and keeps the generator's part apart", () => {
  const usage = new Map([
    ["gateway", { processes: 2, cpu: 1_000, systemCalls: 50, writtenBytes: 0, resident: 100 }],
    ["NATS", { processes: 1, cpu: 500, systemCalls: 10, writtenBytes: 4_000, resident: 50 }],
  ]);
  const counted = { fsyncs: { NATS: 20 }, batches: { "queue batch": 4 }, gcMs: { gateway: 400 } };
  const account = makeAccount(100, 2, usage, 700, counted);
  expect(account).toEqual({
    messages: 100,
    seconds: 2,
    kinds: {
      gateway: { cpu: 10, systemCalls: 0.5, writtenBytes: 0, resident: 100, garbage: 0.1 },
      NATS: { cpu: 5, systemCalls: 0.1, writtenBytes: 40, resident: 50, fsyncs: 10 },
    },
    cpu: 15,
    writtenBytes: 40,
    batches: { "queue batch": 25 },
    generatorCpu: 7,
  });
});
