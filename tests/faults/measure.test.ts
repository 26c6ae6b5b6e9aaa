import { partitionOf } from "@carillon/base";
import type { Evidence } from "@carillon/testkit";
import {
  acknowledgedMeanwhile,
  closings,
  disconnects,
  failedSends,
  lastReturn,
  leadersSpread,
  longestSilence,
  percentile,
  type RunFacts,
  resumption,
  sendTime,
  stallOfSends,
  takeOvers,
} from "./measure";

test("the longest silence counts the way from the beginning and to the end", () => {
  expect(longestSilence([], 100, 150)).toBe(50);
  expect(longestSilence([90, 101, 120, 149, 200], 100, 150)).toBe(29);
  expect(longestSilence([101, 102], 100, 150)).toBe(48);
});

test("percentiles of a list", () => {
  expect(percentile([], 0.99)).toBe(0);
  expect(percentile([5, 1, 3], 0.5)).toBe(3);
  expect(percentile([5, 1, 3], 0.99)).toBe(5);
});

const NAMES = ["p:a:b", "p:c:d", "p:e:f", "p:g:h", "p:i:k"];

/** Strikes at 1,000 and 2,000; a message every 10 ms in each partition but for a pause of 500 ms in one of them. */
function facts(): RunFacts {
  const silent = NAMES.find((name) => partitionOf(name, 2) === 0)!;
  const other = NAMES.find((name) => partitionOf(name, 2) === 1)!;
  const messages = [silent, other].flatMap((conversationId) =>
    Array.from({ length: 300 }, (_, index) => ({ conversationId, answers: [{ at: index * 10 }] })).filter(
      ({ answers }) => conversationId !== silent || answers[0]!.at < 2_100 || answers[0]!.at > 2_600,
    ),
  );
  const changes = [
    { at: 0, online: true },
    { at: 1_100, online: false },
    { at: 1_400, online: true },
  ];
  const log = [-1, 1_500, 3_000].flatMap((at) => ["epoch", "events"].map((kind) => ({ at, kind })));
  const strike = { fault: "kill worker", on: "worker-1" };
  return {
    evidence: { messages, devices: [{ changes }, { changes: changes.slice(0, 1) }], log } as unknown as Evidence,
    strikes: [
      { ...strike, struckAt: 1_000, healedAt: 1_010 },
      { ...strike, struckAt: 2_000, healedAt: 2_010 },
    ],
    partitions: 2,
    loadFrom: 0,
    loadTo: 2_990,
  };
}

test("a partition that stops is found in the window of its strike", () => {
  const [first, second] = stallOfSends(0).seen(facts()) as [number, number];
  expect(first).toBe(10);
  expect(second).toBe(520);
});

test("the time after a healing ends with the next strike", () => {
  const [first, second] = stallOfSends(0, "healedAt").seen(facts()) as [number, number];
  expect(first).toBeLessThanOrEqual(20);
  expect(second).toBe(520);
  const late = facts();
  late.strikes[0]!.healedAt = 2_500;
  expect(stallOfSends(0, "healedAt").seen(late)).toEqual([520]);
});

test("clients that were cut off are counted from the strike until they are back; other clients are not", () => {
  expect(resumption(0).seen(facts())).toEqual([400]);
  expect(lastReturn(0).seen(facts())).toEqual([400]);
  expect(disconnects(0).seen(facts())).toEqual([1]);
  expect(takeOvers(0).seen(facts())).toEqual([1]);
});

test("a closing counts from the answer on; an earlier one counts as 0, a missing one as infinite", () => {
  const revoked = [
    { answeredAt: 100, isConfirmed: true, closedAt: 90 },
    { answeredAt: 100, isConfirmed: true, closedAt: 350 },
    { answeredAt: 100, isConfirmed: false, closedAt: 700 },
    { answeredAt: 100, isConfirmed: true, closedAt: undefined },
  ];
  const all = facts();
  const told = { ...all, evidence: { ...all.evidence, revoked } as Evidence };
  expect(closings(0, true).seen(told)).toEqual([0, 250, Infinity]);
  expect(closings(0, false).seen(told)).toEqual([600]);
});

test("a client that never comes back counts until the end", () => {
  const never = facts();
  never.evidence.devices[0]!.changes.pop();
  expect(resumption(0).seen(never)).toEqual([1_990]);
});

test("acknowledgements between strike and healing are counted, except those under way", () => {
  const all = facts();
  const strikes = [{ ...all.strikes[0]!, struckAt: 1_000, healedAt: 1_100 }];
  const [atOnce, later] = [acknowledgedMeanwhile(0), acknowledgedMeanwhile(0, 60)];
  // There is one every 10 ms in each of two partitions; the first and the last moment do not count.
  expect(atOnce.seen({ ...all, strikes })).toEqual([2 * 9]);
  expect(later.seen({ ...all, strikes })).toEqual([2 * 3]);
});

test("the return of a NATS server that gets nothing to lead is never made up for", () => {
  const [first, second] = facts().strikes;
  const strikes = [{ ...first!, madeUpMs: 40_000 }, second!];
  expect(leadersSpread(0).seen({ ...facts(), strikes })).toEqual([40_000, Number.POSITIVE_INFINITY]);
});

test("messages during a fault are measured: their times, and their failures", () => {
  const sent = (sentAt: number, answeredAt?: number, refusals: object[] = []) => ({
    ...{ sentAt, refusals, answers: answeredAt === undefined ? [] : [{ at: answeredAt }] },
  });
  const messages = [sent(5, 9), sent(10, 14), sent(12, 40), sent(19, 20, [{ name: "UNAVAILABLE" }]), sent(20)];
  const run = { evidence: { messages }, strikes: [{ struckAt: 10, healedAt: 20 }] } as unknown as RunFacts;
  expect(sendTime(1).seen(run)).toEqual([4, 28, 1]);
  expect(failedSends(0).seen(run)).toEqual([1]);
  const never = { ...run, strikes: [{ struckAt: 20, healedAt: 30 }] } as unknown as RunFacts;
  expect(sendTime(1).seen(never)).toEqual([Number.POSITIVE_INFINITY]);
});
