/**
 * P13: the cost of a message when gateways, workers and partitions double, and double again. On two cores this shows cost
 * and not speed: the same machine does the work of twice as many processes.
 */
import type { ClusterShape } from "../cluster/bench-cluster";
import { carillon } from "../cluster/carillon-contestant";
import { type Outcome, printResult } from "../report/result";
import { describeSummary, ratios, type Summary } from "../report/summary";
import { judge } from "../report/targets";
import { chartsOf, describePrivate, measurePrivate, type PrivateOptions } from "./private";

const SIZES = [1, 2, 4];

/** @param shape the options that are the same at each size */
export async function runScale(shape: Pick<ClusterShape, "profile">, options: PrivateOptions): Promise<Outcome> {
  const contestants = SIZES.map((size) =>
    carillon({ ...shape, gateways: size, workers: size, partitions: size }, `${size}-${size}-${size}`),
  );
  const measured = await measurePrivate(contestants, options);
  const costs = contestants.map(({ name }) =>
    measured.runs.filter(({ contestant }) => contestant === name).map(({ account }) => account.cpu),
  );
  const doublings = costs.slice(1).map((cost, index) => ratios(cost, costs[index]!));
  const worst = Math.max(...doublings.map(({ median }) => median));
  const targets = [judge("P13", (worst - 1) * 100)];
  const lines = [...describePrivate(measured), ...doublings.map(describeDoubling)];
  return printResult(
    { ...measured, scenario: "scale", doublings, targets },
    { lines, ...chartsOf(measured) },
    options.json,
  );
}

function describeDoubling(ratio: Summary, index: number): string {
  const [from, to] = [SIZES[index], SIZES[index + 1]];
  return `  from ${from} to ${to} of each: ${describeSummary(ratio, 2)} times the CPU per message`;
}
