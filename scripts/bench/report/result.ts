/** What a run gives: a file with everything, and a table for people. */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import type { Histogram } from "hdr-histogram-js";
import type { Usage } from "../account/usage";

export const round = (value: number) => Math.round(value * 10) / 10;

/** ms, of times that were recorded in us. */
export function percentiles(times: Histogram) {
  const at = (p: number) => times.getValueAtPercentile(p) / 1_000;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9) };
}

const CURVE = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 100];

/** [percentile, ms] of times that were recorded in us, for a chart. */
export function percentileCurve(times: Histogram): [number, number][] {
  return CURVE.map((percentile) => [percentile, times.getValueAtPercentile(percentile) / 1_000]);
}

/** us of CPU by kind of process, shared by `count` of what was measured. */
export function cpuShare(usage: Map<string, Usage>, count: number): { of: Record<string, number>; total: number } {
  const of = Object.fromEntries([...usage].map(([kind, { cpu }]) => [kind, round(cpu / count)]));
  return { of, total: round([...usage.values()].reduce((sum, { cpu }) => sum + cpu, 0) / count) };
}

export function residents(usage: Map<string, Usage>): Record<string, number> {
  return Object.fromEntries([...usage].map(([kind, { resident }]) => [kind, Math.round(resident)]));
}

/** A line per kind of process: CPU and resident memory. */
export function cpuRows(
  share: { of: Record<string, number>; total: number },
  resident: Record<string, number>,
): string[] {
  const row = (name: string, cpu: number) => `  ${name.padEnd(10)} ${cpu.toFixed(1).padStart(7)} us`;
  const rows = Object.entries(share.of).map(
    ([kind, cpu]) => `${row(kind, cpu)}  ${String(resident[kind]).padStart(6)} MiB`,
  );
  return [...rows, row("total", share.total)];
}

export function describeTimes({ p50, p90, p99, p999 }: ReturnType<typeof percentiles>): string {
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, p99.9 ${p999} ms`;
}

/** On what a result was made. */
export interface Machine {
  cores: number;
  model: string | undefined;
  node: string;
}

export function describeMachine(): Machine {
  return { cores: cpus().length, model: cpus()[0]?.model, node: process.version };
}

/** A path of now in .carillon/bench, where results are kept. */
export function newResultPath(ending: string): string {
  const folder = path.join(process.cwd(), ".carillon", "bench");
  mkdirSync(folder, { recursive: true });
  return path.join(folder, `${new Date().toISOString().replaceAll(":", "-")}${ending}`);
}

/** Writes a result to .carillon/bench. @returns the file */
export function keepResult(result: object): string {
  const file = newResultPath(".json");
  writeFileSync(file, `${JSON.stringify({ ...result, machine: describeMachine() }, null, 2)}\n`);
  return file;
}
