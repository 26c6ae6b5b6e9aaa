/** Scenarios with groups whose members join and leave while all members write and processes die; also with large groups. */
import { stallOfSends } from "../measure";
import { mergedPlan, steady } from "../plan";
import type { Scenario } from "../scenario";

export const groups: readonly Scenario[] = [
  {
    name: "groups",
    row: "groups change",
    plan: mergedPlan(
      steady(["visitor comes and goes"], { times: 30, everyMs: 1_500, holdMs: 1_000 }),
      steady(["kill worker", "kill api", "kill gateway", "kill archiver"], { times: 4, everyMs: 11_000, holdMs: 0 }),
    ),
    load: { sdkPairs: 2, rawPairs: 2, groups: 3, rate: 200 },
    bounds: [stallOfSends(5_000)],
    afterMs: 8_000,
  },
  {
    // A group has six members, and with the visitor it is too large for inboxes.
    name: "large-groups",
    row: "large groups change",
    plan: mergedPlan(
      steady(["visitor comes and goes"], { times: 30, everyMs: 1_500, holdMs: 1_000 }),
      steady(["take a message back"], { times: 20, everyMs: 2_200, holdMs: 0 }),
      steady(["kill worker", "kill api", "kill gateway", "kill archiver"], { times: 4, everyMs: 11_000, holdMs: 0 }),
    ),
    load: { sdkPairs: 2, rawPairs: 2, groups: 3, rate: 200 },
    env: { CARILLON_GROUPS_WRITE_FANOUT_MAX: "6" },
    bounds: [stallOfSends(5_000)],
    afterMs: 8_000,
  },
];
