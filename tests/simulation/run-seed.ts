/** Runs one seed: two bursts of activity with a long sleep between them, then all faults end and the simulation must come to rest. */
import { allowFailPoints, disarmFailPoints, replaceStrike } from "@carillon/base/node";
import { Coverage } from "./coverage";
import { armPoison, heal, scheduleFaults } from "./faults";
import { Random } from "./random";
import { World } from "./world";

const BURST_MS = 1_000;
const OPERATIONS = 100;
const FAULTS_PER_BURST = 3;
/** A sleep that is longer than the idempotency cache and the dedupe table's margin reach back, ms. */
const SLEEP_MS = 90_000;
const QUIET_MS = 240_000;
const LOOK_MS = 100;

export interface SeedResult {
  seed: number;
  violations: string[];
  coverage: Coverage;
}

export async function runSeed(seed: number): Promise<SeedResult> {
  const random = new Random(seed);
  const coverage = new Coverage();
  const world = new World(random, coverage);
  const giveBack = [world.time.install(), takeRandomness(random), takeStrike(world)];
  allowFailPoints();
  try {
    world.start();
    for (let burst = 0; burst < 2; burst++) {
      const { now } = world.time;
      for (let i = 0; i < OPERATIONS; i++)
        world.time.aside(now + random.between(0, BURST_MS), () => world.clients.act());
      scheduleFaults(world, FAULTS_PER_BURST, BURST_MS);
      await pass(world, BURST_MS);
      if (burst === 0) world.time.skip(SLEEP_MS);
    }
    disarmFailPoints();
    world.isEnding = true;
    heal(world);
    armPoison(world);
    const isQuiet = await world.time.runUntil(
      everySoOften(world, () => world.unrest === ""),
      world.time.now + QUIET_MS,
    );
    if (!isQuiet) world.clients.violations.push(`I7: it did not come to rest: ${world.unrest}`);
    world.check();
  } finally {
    disarmFailPoints();
    for (const back of giveBack) back();
  }
  return { seed, violations: world.violations, coverage };
}

/** Number of events between two checks of everything; checking after each event would take longer than the events. */
function everySoOften({ time }: World, look: () => boolean): () => boolean {
  let nextAt = 0;
  return () => {
    if (time.now < nextAt) return false;
    nextAt = time.now + LOOK_MS;
    return look();
  };
}

async function pass(world: World, ms: number): Promise<void> {
  const end = world.time.now + ms;
  let isOver = false;
  world.time.at(end, () => {
    isOver = true;
  });
  await world.time.runUntil(() => isOver, end + 1);
}

/** Ids and delays come from the seed, too. */
function takeRandomness(random: Random): () => void {
  const real = { random: Math.random, fill: crypto.getRandomValues, traces: Error.stackTraceLimit };
  const fill = (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
    return bytes;
  };
  Math.random = random.next;
  crypto.getRandomValues = fill as typeof crypto.getRandomValues;
  // Thousands of refusals are thrown, and their stack traces are of no interest.
  Error.stackTraceLimit = 0;
  return () => {
    Math.random = real.random;
    crypto.getRandomValues = real.fill;
    Error.stackTraceLimit = real.traces;
  };
}

/** A fail point kills or pauses its process. Here it sets a flag, and the worker's next effect happens later or never. */
function takeStrike(world: World): () => void {
  return replaceStrike((place, action) => {
    world.struck = { place, action };
  });
}
