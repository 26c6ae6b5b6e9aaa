/** The schedule of a run: the faults with their times, targets and durations. It is a pure function of the seed. */

import { seeded } from "@carillon/testkit";
import type { FaultName } from "./inject/catalogue";

export interface PlannedFault {
  /** Time after the first moment of the schedule, ms. */
  atMs: number;
  fault: FaultName;
  /** Chooses among the possible targets. */
  target: number;
  /** Time until the fault is healed, ms. */
  holdMs: number;
}

export interface Rhythm {
  faults: readonly FaultName[];
  /** Number of all strikes; the faults take turns. */
  times: number;
  /** Time from one strike to the next, ms. */
  everyMs: number;
  holdMs: number;
}

const JITTER = 0.3;
const TARGETS = 1_000;
/** Time between two rounds of a repeated plan. */
const REST_MS = 12_000;

/** Plans the faults in turn, at a steady pace with some jitter, so that strikes meet different phases of the timers. */
export function steadyPlan({ faults, times, everyMs, holdMs }: Rhythm, seed: number): PlannedFault[] {
  const random = seeded(seed);
  return Array.from({ length: times }, (_, index) => ({
    atMs: Math.round((index + JITTER * random()) * everyMs),
    fault: faults[index % faults.length]!,
    target: Math.floor(random() * TARGETS),
    holdMs,
  }));
}

type Plan = (seed: number) => PlannedFault[];

export const steady =
  (faults: readonly FaultName[], rhythm: Omit<Rhythm, "faults">): Plan =>
  (seed) =>
    steadyPlan({ ...rhythm, faults }, seed);

/** Plans one strike of each fault. */
export const once = (faults: readonly FaultName[], everyMs: number, holdMs: number): Plan =>
  steady(faults, { times: faults.length, everyMs, holdMs });

/** Returns the same strikes, each later by this time. */
export const later =
  (plan: Plan, byMs: number): Plan =>
  (seed) =>
    plan(seed).map((planned) => ({ ...planned, atMs: planned.atMs + byMs }));

/** Runs several plans at the same time. */
export const mergedPlan =
  (...plans: Plan[]): Plan =>
  (seed) =>
    plans.flatMap((plan, index) => plan(seed + index)).sort((a, b) => a.atMs - b.atMs);

/** Repeats a plan, each time with another seed. */
export function repeatedPlan(plan: Plan, times: number, seed: number): PlannedFault[] {
  const all: PlannedFault[] = [];
  let offset = 0;
  for (let round = 0; round < times; round++) {
    const part = plan(seed + round).map((planned) => ({ ...planned, atMs: planned.atMs + offset }));
    all.push(...part);
    const last = part.at(-1)!;
    offset = last.atMs + last.holdMs + REST_MS;
  }
  return all;
}

export interface Mixture {
  faults: readonly FaultName[];
  durationMs: number;
  everyMs: number;
  /** Faults that strike at the same time. */
  together: number;
  /** Shortest and longest time until a fault is healed, ms. */
  holdMs: readonly [number, number];
}

/** Plans random faults, two or more at a time: each choice depends on the seed and nothing else. */
export function mixedPlan({ faults, durationMs, everyMs, together, holdMs }: Mixture, seed: number): PlannedFault[] {
  const random = seeded(seed);
  const plan: PlannedFault[] = [];
  for (let at = 0; at < durationMs; at += everyMs) {
    for (let i = 0; i < together; i++) {
      const [shortest, longest] = holdMs;
      plan.push({
        atMs: Math.round(at + random() * JITTER * everyMs),
        fault: faults[Math.floor(random() * faults.length)]!,
        target: Math.floor(random() * TARGETS),
        holdMs: Math.round(shortest + random() * (longest - shortest)),
      });
    }
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}
