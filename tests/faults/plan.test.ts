import { later, mergedPlan, mixedPlan, repeatedPlan, steady, steadyPlan } from "./plan";
import { scenarios } from "./scenarios/all";
import { MIXABLE, mixedRun } from "./scenarios/mixtures";

test("the same seed gives the same schedule, another seed another one", () => {
  for (const scenario of [...scenarios, mixedRun(10)]) {
    expect(scenario.plan(7)).toEqual(scenario.plan(7));
    expect(scenario.plan(8)).not.toEqual(scenario.plan(7));
  }
});

test("a steady plan lets the faults take turns", () => {
  const plan = steadyPlan({ faults: ["kill worker", "kill gateway"], times: 5, everyMs: 1_000, holdMs: 10 }, 1);
  expect(plan.map(({ fault }) => fault)).toEqual([
    "kill worker",
    "kill gateway",
    "kill worker",
    "kill gateway",
    "kill worker",
  ]);
  plan.forEach(({ atMs }, index) => {
    expect(atMs).toBeGreaterThanOrEqual(index * 1_000);
    expect(atMs).toBeLessThan((index + 1) * 1_000);
  });
});

test("a repeated plan continues after its last fault is healed, with another seed", () => {
  const plan = (seed: number) => steadyPlan({ faults: ["kill nats"], times: 2, everyMs: 1_000, holdMs: 500 }, seed);
  const [first, , third] = repeatedPlan(plan, 3, 1);
  expect(repeatedPlan(plan, 3, 1)).toHaveLength(6);
  expect(first).toEqual(plan(1)[0]);
  expect(third!.target).toBe(plan(2)[0]!.target);
  expect(third!.atMs).toBeGreaterThan(plan(1)[1]!.atMs + 500);
});

test("plans at the same time are one schedule, in order", () => {
  const rhythm = { times: 3, everyMs: 1_000, holdMs: 0 };
  const plan = mergedPlan(steady(["log out"], rhythm), steady(["kill api"], rhythm))(5);
  expect(plan.map(({ fault }) => fault).sort()).toEqual([...Array(3).fill("kill api"), ...Array(3).fill("log out")]);
  expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).sort((a, b) => a - b));
});

test("a delayed plan has the same strikes on the same targets, and none sooner", () => {
  const plan = steady(["kill nats"], { times: 3, everyMs: 1_000, holdMs: 0 });
  expect(later(plan, 5_000)(2)).toEqual(plan(2).map((strike) => ({ ...strike, atMs: strike.atMs + 5_000 })));
});

test("a long mixture strikes with every fault, each for a time within its bounds", () => {
  const plan = mixedPlan(
    { faults: MIXABLE, durationMs: 3_600_000, everyMs: 5_000, together: 1, holdMs: [200, 5_000] },
    3,
  );
  expect(plan).toHaveLength(720);
  expect(new Set(plan.map(({ fault }) => fault))).toEqual(new Set(MIXABLE));
  for (const { holdMs } of plan) {
    expect(holdMs).toBeGreaterThanOrEqual(200);
    expect(holdMs).toBeLessThanOrEqual(5_000);
  }
});
