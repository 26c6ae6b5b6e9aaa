/**
 * The seeded simulation of the worker: `npm run simulate -- [--seeds N] [--from SEED] [--processes N] [--seed SEED]`.
 * Exit code 1 for a violation, or when something was never met.
 */
import { fork } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { Coverage } from "./coverage";
import type { Order, Report } from "./seeds-process";

/** Built, since what is compiled while it is loaded begins later and runs slower. */
const PROCESS = path.join(__dirname, "..", "..", "dist", "simulation", "seeds-process.js");

const USAGE = `Runs the worker's real code over simulated stores, time and failures.

  npm run simulate -- [options]

  --seeds N       number of seeds (default 10000)
  --from SEED     first seed (default 1)
  --seed SEED     only this seed, with its counters
  --processes N   number of parallel processes (default 2)
  --stop          stop at the first violation
  --help`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "10000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      processes: { type: "string", default: "2" },
      stop: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const stop = values.stop;
  const startedAt = Date.now();
  const single = values.seed !== undefined;
  const [from, seeds] = single ? [Number(values.seed), 1] : [Number(values.from), Number(values.seeds)];
  const processes = Math.min(seeds, Number(values.processes));
  const orders = Array.from(
    { length: processes },
    (_, i): Order => ({ from: from + i, end: from + seeds, step: processes, stop }),
  );
  const reports = await Promise.all(orders.map(work));
  const coverage = new Coverage();
  for (const { counts } of reports) coverage.add(counts);
  const failures = reports.flatMap((report) => report.failures).sort((a, b) => a.seed - b.seed);
  for (const [name, count] of coverage.counts) console.log(`${String(count).padStart(10)}  ${name}`);
  for (const { seed, violations } of failures.slice(0, 10)) {
    console.log(`seed ${seed}: ${violations.slice(0, 5).join("; ")}`);
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
  // compile beside them would only be in their way. What V8 takes for long-lived (pretenured) would keep the whole world
  // of a seed alive until the next major collection: scavenges took three times as long by it. That is what the optimizer
  // learns, hence the flag, and, flag or not, a getter of an object literal and a function that is assigned to a property
  // where it is written (`a.b = () => ...`): so the simulation names such a function first and assigns it then.
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
