/**
 * The fault machine in short: one strike each, a small load, every invariant. Times are judged by `npm run faults`,
 * which runs them all, longer and harder.
 */
import type { FaultName } from "../../scripts/faults/inject/catalogue";
import { steadyPlan } from "../../scripts/faults/plan";
import { runScenario } from "../../scripts/faults/run-scenario";
import type { Row, Scenario } from "../../scripts/faults/scenario";

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
  short("gateway killed", ["kill gateway"], 1_000, 0),
  short("worker killed", ["worker dies at append.after"], 1_000, 0),
  short("archiver killed", ["archiver dies at write.after"], 1_000, 0),
  short("Redis wiped", ["wipe redis", "wipe redis"], 1_500, 0),
  short("NATS killed", ["kill nats"], 1_000, 0),
  short("devices revoked", ["log out", "lose device"], 1_000, 0),
  short("nodes paused", ["pause worker"], 1_000, 4_000),
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
