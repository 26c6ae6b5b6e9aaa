/** Scenarios with overlapping faults, by a seeded schedule. */
import type { FaultName } from "../inject/catalogue";
import { mixedPlan } from "../plan";
import type { Scenario } from "../scenario";

/** Short faults that may overlap with any other fault. */
export const MIXABLE: readonly FaultName[] = [
  "kill gateway",
  "kill worker",
  "kill archiver",
  "kill api",
  "kill nats",
  "kill redis",
  "kill mysql",
  "pause gateway",
  "pause worker",
  "pause archiver",
  "pause nats",
  "pause redis",
  "pause mysql",
  "wipe redis",
  "worker dies at append.before",
  "worker dies at append.after",
  "worker dies at acknowledge.after",
  "worker dies at fan-out.after",
  "archiver dies at write.after",
  "cut worker-nats",
  "cut gateway-nats",
  "cut worker-redis",
  "silence worker to nats",
  "silence nats to worker",
  "silence redis to worker",
  "slow worker-nats",
  "slow worker-redis",
];

export const mixtures: readonly Scenario[] = [
  {
    name: "pairs",
    row: "pairs and mixtures",
    links: true,
    plan: (seed) =>
      mixedPlan({ faults: MIXABLE, durationMs: 60_000, everyMs: 12_000, together: 2, holdMs: [500, 6_000] }, seed),
    bounds: [],
    afterMs: 15_000,
  },
];

/** Returns a scenario with a fault every 5 s for this number of minutes. */
export function mixedRun(minutes: number): Scenario {
  return {
    name: "mixed",
    row: "pairs and mixtures",
    links: true,
    plan: (seed) =>
      mixedPlan(
        { faults: MIXABLE, durationMs: minutes * 60_000, everyMs: 5_000, together: 1, holdMs: [200, 5_000] },
        seed,
      ),
    bounds: [],
    afterMs: 15_000,
  };
}
