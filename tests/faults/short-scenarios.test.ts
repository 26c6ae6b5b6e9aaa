/**
 * Runs the fault machine for a short time: some strikes on each of three clusters, a small load, every invariant. `npm run
 * faults` judges times; it runs all scenarios, each on a cluster of its own, longer and harder.
 */
import type { FaultName } from "./inject/catalogue";
import { steadyPlan } from "./plan";
import { runScenario } from "./run-scenario";
import type { Row, Scenario } from "./scenario";

const SEED = 1;

const short = (row: Row, faults: readonly FaultName[], everyMs: number, holdMs: number): Scenario => ({
  name: faults.join(", "),
  row,
  plan: (seed) => steadyPlan({ faults, times: faults.length, everyMs, holdMs }, seed),
  bounds: [],
  load: { sdkPairs: 3, rawPairs: 3, rate: 100 },
  warmUpMs: 1_000,
  afterMs: 1_500,
});

test.each([
  short("gateway killed", ["kill gateway", "worker dies at append.after", "archiver dies at write.after"], 2_000, 0),
  short("Redis wiped", ["wipe redis", "wipe redis", "kill nats"], 1_500, 0),
  short("nodes paused", ["log out", "lose device", "pause worker"], 1_000, 4_000),
])(
  "$name",
  async (scenario) => {
    const lines: string[] = [];
    const { violations, strikes, sent } = await runScenario(scenario, { seed: SEED, say: (line) => lines.push(line) });
    expect({ violations, progress: violations.length === 0 ? [] : lines }).toEqual({ violations: [], progress: [] });
    expect(strikes).toHaveLength(scenario.plan(SEED).length);
    expect(sent).toBeGreaterThan(100);
  },
  300_000,
);
