/** A process that runs its part of the seeds: it gets an order, answers with a report, and ends. */
import { Coverage } from "./coverage";
import { runSeed } from "./run-seed";

export interface Report {
  seeds: number;
  failures: { seed: number; violations: string[] }[];
  counts: [string, number][];
}

export interface Order {
  from: number;
  /** The end of the seeds, exclusive. */
  end: number;
  step: number;
  stop: boolean;
}

async function work({ from, end, step, stop }: Order): Promise<Report> {
  const coverage = new Coverage();
  const report: Report = { seeds: 0, failures: [], counts: [] };
  for (let i = from; i < end; i += step) {
    const { seed, violations, coverage: met } = await runSeed(i);
    report.seeds++;
    coverage.add(met.counts);
    if (violations.length > 0) report.failures.push({ seed, violations });
    if (stop && violations.length > 0) break;
  }
  report.counts = [...coverage.counts];
  return report;
}

process.once("message", async (order: Order) => {
  const report = await work(order);
  process.send!(report, () => process.exit());
});
