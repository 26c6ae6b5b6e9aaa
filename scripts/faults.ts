/** `npm run faults -- SCENARIO`: injects faults into a whole cluster under load and checks that every guarantee was kept. */
import { parseArgs } from "node:util";
import { whyNoDisk } from "../tests/faults/inject/disk";
import { repeatedPlan } from "../tests/faults/plan";
import { describeResult, describeResults } from "../tests/faults/report/text";
import { writeReport } from "../tests/faults/report/write";
import { runScenario, type ScenarioResult } from "../tests/faults/run-scenario";
import type { Scenario } from "../tests/faults/scenario";
import { scenarios } from "../tests/faults/scenarios/all";
import { mixedRun } from "../tests/faults/scenarios/mixtures";

const USAGE = `npm run faults -- [SCENARIO... | all] [options]

  all                 every scenario; a row of the fault matrix that was not struck counts as failed
  SCENARIO            the named scenarios (--list shows the names)

Options
  --seed N            seed of the schedules: the same seed gives the same faults at the same times (default: random)
  --minutes M         a mixed run: a fault every 5 s for M minutes, chosen by the seed
  --times N           repeat each scenario's schedule N times on one cluster (default 1)
  --list              show the scenarios with their rows
  --json              print one JSON document instead of the table
  --help

The report is a table, and a JSON file and a page with a time line under .carillon/faults/.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: "string" },
      minutes: { type: "string" },
      times: { type: "string", default: "1" },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return print(USAGE);
  if (values.list) return print(scenarios.map(({ name, row }) => `${name.padEnd(24)} ${row}\n`).join(""));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : wholeNumber(values.seed, "--seed");
  const times = wholeNumber(values.times, "--times");
  const chosen = choose(positionals, values.minutes).map(
    (scenario): Scenario => ({ ...scenario, plan: (first) => repeatedPlan(scenario.plan, times, first) }),
  );
  if (chosen.length === 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  process.stderr.write(`seed ${seed}\n`);
  const report = writeReport();
  const results: ScenarioResult[] = [];
  const skipped: { scenario: Scenario; why: string }[] = [];
  for (const scenario of chosen) {
    const why = scenario.disk && whyNoDisk(scenario.disk);
    if (why !== undefined) {
      process.stderr.write(`${scenario.name} is not possible on this machine: ${why}\n`);
      skipped.push({ scenario, why });
      continue;
    }
    const result = await runScenario(scenario, {
      seed,
      say: (line) => process.stderr.write(`${line}\n`),
      keepLog: (file) => report.keepLog(scenario.name, file),
    });
    report.add(result);
    process.stderr.write(`${describeResult(result).join("\n")}\n`);
    results.push(result);
  }
  const isAll = positionals.includes("all");
  const { text, json, ok } = describeResults(results, skipped, isAll);
  report.finish(json);
  process.stdout.write(values.json ? `${JSON.stringify(json)}\n` : `${text}\n  details    ${report.folder}\n`);
  return ok ? 0 : 1;
}

function choose(names: string[], minutes: string | undefined): Scenario[] {
  const named = names.flatMap((name) => {
    if (name === "all") return scenarios;
    const found = scenarios.find((scenario) => scenario.name === name);
    if (found === undefined) throw new TypeError(`there is no scenario ${name}; --list shows the scenarios`);
    return [found];
  });
  return minutes === undefined ? named : [...named, mixedRun(wholeNumber(minutes, "--minutes"))];
}

function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`${name} must be a number above 0`);
  return value;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`faults: ${error.stack}\n`);
    process.exit(error instanceof TypeError ? 2 : 1);
  },
);
