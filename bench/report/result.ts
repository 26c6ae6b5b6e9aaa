/** The output of a run: a file with everything, and a table for people. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Histogram } from "hdr-histogram-js";
import type { Usage } from "../account/usage";
import type { Curve } from "./charts";
import { describeMachine } from "./machine";
import { type NamedAccount, renderResultPage } from "./page";
import { describeJudged, type Judged } from "./targets";

export const round = (value: number) => Math.round(value * 10) / 10;

/** Percentiles in ms of times that were recorded in us. */
export function percentiles(times: Histogram) {
  const at = (p: number) => times.getValueAtPercentile(p) / 1_000;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9) };
}

const CURVE = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 100];

/** [percentile, ms] of times that were recorded in us, for a chart. */
export function percentileCurve(times: Histogram): [number, number][] {
  return CURVE.map((percentile) => [percentile, times.getValueAtPercentile(percentile) / 1_000]);
}

/** Returns CPU by kind of process, us, divided by `count`. */
export function cpuShare(usage: Map<string, Usage>, count: number): { of: Record<string, number>; total: number } {
  const of = Object.fromEntries([...usage].map(([kind, { cpu }]) => [kind, round(cpu / count)]));
  return { of, total: round([...usage.values()].reduce((sum, { cpu }) => sum + cpu, 0) / count) };
}

export function describeTimes({ p50, p90, p99, p999 }: ReturnType<typeof percentiles>): string {
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, p99.9 ${p999} ms`;
}

/** Returns a path with the present time in .carillon/bench, the folder of results. */
export function newResultPath(ending: string, now = new Date()): string {
  const folder = path.join(process.cwd(), ".carillon", "bench");
  mkdirSync(folder, { recursive: true });
  return path.join(folder, `${now.toISOString().replaceAll(":", "-")}${ending}`);
}

/** The verdict on a run. */
export interface Outcome {
  /** Whether every promise was kept. */
  ok: boolean;
  /** The targets that the run answers. */
  targets: Judged[];
}

/** The part of a result for people: the printed lines, and the further data of its page. */
export interface Shown {
  lines: string[];
  accounts?: NamedAccount[];
  curves?: Curve[];
  /** KB per connection, by server. */
  memory?: Record<string, number>;
}

/** Keeps a result as document and page, and prints it: as lines and judged targets, or as the document. */
export function printResult<R extends Outcome>(result: R & { scenario: string }, shown: Shown, json: boolean): Outcome {
  const machine = describeMachine();
  const now = new Date();
  const [file, page] = [newResultPath(".json", now), newResultPath(".html", now)];
  const { scenario, ok } = result;
  // A result that broke a promise says nothing about a target.
  const targets = ok ? result.targets : [];
  const { accounts = [], curves = [], memory = {}, lines } = shown;
  writeFileSync(file, `${JSON.stringify({ ...result, targets, machine }, null, 2)}\n`);
  const at = now.toISOString();
  writeFileSync(page, renderResultPage({ scenario, at, machine, ok, targets, lines, accounts, curves, memory }));
  const text = [...lines, ...describeJudged(targets), `  details     ${file}`, `  page        ${page}`].join("\n");
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${text}\n`);
  return { ok, targets };
}
