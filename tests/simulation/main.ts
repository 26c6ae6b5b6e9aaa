/**
 * `npm run simulate -- [--seeds N] [--from SEED] [--processes N] [--seed SEED]` runs the seeded simulation of the worker. The
 * exit code is 1 for a violation, or when a situation was never met.
 */
import { fork } from "node:child_process";
import path from "node:path";
import { commandLine, wholeNumber } from "@carillon/base/command-line";
import { Coverage } from "./coverage";
import type { Order, Report } from "./seeds-process";

/** The built file, since code that is compiled while it is loaded begins later and runs slower. */
const PROCESS = path.join(__dirname, "..", "..", "dist", "simulation", "seeds-process.js");

interface Options {
  seeds: number;
  from: number;
  seed?: number;
  processes: number;
  stop?: boolean;
}

const command = commandLine(
  "npm run simulate --",
  "Runs the worker's real code over simulated stores, time and failures.",
)
  .option("--seeds <N>", "number of seeds", wholeNumber(1), 10_000)
  .option("--from <SEED>", "first seed", wholeNumber(0), 1)
  .option("--seed <SEED>", "only this seed, with its counters", wholeNumber(0))
  .option("--processes <N>", "number of parallel processes", wholeNumber(1), 2)
  .option("--stop", "stop at the first violation");

async function main(): Promise<void> {
  const { seeds: given, from: first, seed, processes: most, stop = false } = command.parse().opts<Options>();
  const startedAt = Date.now();
  const single = seed !== undefined;
  const [from, seeds] = single ? [seed, 1] : [first, given];
  const processes = Math.min(seeds, most);
  const orders = Array.from(
    { length: processes },
    (_, i): Order => ({ from: from + i, end: from + seeds, step: processes, stop }),
  );
  const reports = await Promise.all(orders.map(work));
  const coverage = new Coverage();
  for (const { counts } of reports) coverage.add(counts);
  const failures = reports.flatMap((report) => report.failures).sort((a, b) => a.seed - b.seed);
  for (const [name, count] of coverage.counts) console.log(`${String(count).padStart(10)}  ${name}`);
  for (const failure of failures.slice(0, 10)) {
    console.log(`seed ${failure.seed}: ${failure.violations.slice(0, 5).join("; ")}`);
  }
  const done = reports.reduce((sum, report) => sum + report.seeds, 0);
  const missing = single || failures.length > 0 ? [] : coverage.missing;
  for (const name of missing) console.log(`never met: ${name}`);
  console.log(`${done} seeds in ${Math.round((Date.now() - startedAt) / 1_000)} s, ${failures.length} with violations`);
  if (failures.length > 0) console.log(`again: npm run simulate -- --seed ${failures[0]!.seed}`);
  process.exitCode = failures.length + missing.length > 0 ? 1 : 0;
}

function work(order: Order): Promise<Report> {
  // Nearly all that a seed makes dies with it, and each core has a process already: threads that collect garbage or
  // compile beside them would only be in their way. An object that V8 takes for long-lived (pretenured) would keep the whole
  // world of a seed alive until the next major collection: scavenges took three times as long by it. The optimizer learns
  // such places, hence the flag. With or without the flag, V8 pretenures a getter of an object literal, and a function that is
  // assigned to a property where it is written (`a.b = () => ...`): so the simulation names such a function first.
  const execArgv = [
    "--min-semi-space-size=64",
    "--max-semi-space-size=64",
    "--no-allocation-site-pretenuring",
    "--single-threaded",
  ];
  const child = fork(PROCESS, [], { execArgv });
  child.send(order);
  return new Promise((resolve, reject) => {
    child.once("message", (report) => resolve(report as Report));
    child.once("exit", (code) => reject(new Error(`a process of the simulation ended with ${code}`)));
  });
}

void main();
