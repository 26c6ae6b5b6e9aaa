/** `npm run faults -- SCENARIO`: injects faults into a whole cluster under load and checks that every guarantee was kept. */
import { commandLine, wholeNumber } from "@carillon/base/command-line";
import { whyNoDisk } from "../tests/faults/inject/disk";
import { repeatedPlan } from "../tests/faults/plan";
import { describeResult, describeResults } from "../tests/faults/report/text";
import { writeReport } from "../tests/faults/report/write";
import { runScenario, type ScenarioResult } from "../tests/faults/run-scenario";
import type { Scenario } from "../tests/faults/scenario";
import { scenarios } from "../tests/faults/scenarios/all";
import { mixedRun } from "../tests/faults/scenarios/mixtures";

interface Options {
  seed?: number;
  minutes?: number;
  times: number;
  list?: boolean;
  json?: boolean;
}

const command = commandLine(
  "npm run faults --",
  "Injects faults into a cluster under load, and checks every guarantee.",
)
  .usage("[SCENARIO... | all] [options]")
  .argument(
    "[SCENARIO...]",
    "the named scenarios, or all; a row of the fault matrix that was not struck then counts as failed",
  )
  .option(
    "--seed <N>",
    "seed of the schedules: the same seed gives the same faults at the same times (default: random)",
    wholeNumber(1),
  )
  .option("--minutes <M>", "a mixed run: a fault every 5 s for M minutes, chosen by the seed", wholeNumber(1))
  .option("--times <N>", "repeat each scenario's schedule N times on one cluster", wholeNumber(1), 1)
  .option("--list", "show the scenarios with their rows")
  .option("--json", "print one JSON document instead of the table")
  .addHelpText(
    "after",
    "\nThe report is a table, and a JSON file and a page with a time line under .carillon/faults/.",
  );

async function main(): Promise<number> {
  command.parse();
  const { args: names } = command;
  const { seed = Math.floor(Math.random() * 1e9), minutes, times, list, json: isJson } = command.opts<Options>();
  if (list) {
    process.stdout.write(scenarios.map(({ name, row }) => `${name.padEnd(24)} ${row}\n`).join(""));
    return 0;
  }
  const chosen = choose(names, minutes).map(
    (scenario): Scenario => ({ ...scenario, plan: (first) => repeatedPlan(scenario.plan, times, first) }),
  );
  if (chosen.length === 0) command.help({ error: true });
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
  const isAll = names.includes("all");
  const { text, json, ok } = describeResults(results, skipped, isAll);
  report.finish(json);
  process.stdout.write(isJson ? `${JSON.stringify(json)}\n` : `${text}\n  details    ${report.folder}\n`);
  return ok ? 0 : 1;
}

function choose(names: string[], minutes: number | undefined): Scenario[] {
  const named = names.flatMap((name) => {
    if (name === "all") return scenarios;
    return (
      scenarios.find((scenario) => scenario.name === name) ??
      command.error(`there is no scenario ${name}; --list shows the scenarios`)
    );
  });
  return minutes === undefined ? named : [...named, mixedRun(minutes)];
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`faults: ${error.stack}\n`);
    process.exit(1);
  },
);
