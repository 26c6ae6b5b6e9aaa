import { compareCosts, describeComparison } from "./guard";

const before = { total: 100, kinds: { gateway: 40, worker: 60 } };

test("more than the tolerance is worse, the tolerance itself is not", () => {
  expect(compareCosts(before, { ...before, total: 115 }, 0.15).isWorse).toBe(false);
  expect(compareCosts(before, { ...before, total: 115.1 }, 0.15).isWorse).toBe(true);
  expect(compareCosts(before, { ...before, total: 50 }, 0.15)).toMatchObject({ isWorse: false, ratio: 0.5 });
});

test("the kind of process that changed most comes first, also a new or missing kind", () => {
  const after = { total: 130, kinds: { worker: 61, Redis: 69 } };
  const comparison = compareCosts(before, after, 0.15);
  expect(comparison.kinds).toEqual([
    { kind: "Redis", before: 0, after: 69 },
    { kind: "gateway", before: 40, after: 0 },
    { kind: "worker", before: 60, after: 61 },
  ]);
  const text = describeComparison(comparison, 0.15).join("\n");
  expect(text).toContain("1.30 times the CPU per message, WORSE by more than 15 %");
  expect(text).toContain("-40.0");
});
