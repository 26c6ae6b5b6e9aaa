/** Measures how long Node processes collect garbage: the bench starts them with a watch that writes it down. */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The file that Node processes load so that they write down their time for garbage. */
export const GC_WATCH = path.join(__dirname, "gc-watch.cjs");

/** Creates the folder, and returns the environment that names it to the processes. */
export function gcEnvironment(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  return { BENCH_GC_FOLDER: folder };
}

/** Returns the time for garbage since each kind of process began, ms, as of the last second; only Node processes are counted. */
export function readGc(folder: string, processes: Map<string, number[]>): Record<string, number> {
  const times: Record<string, number> = {};
  for (const [kind, pids] of processes) {
    for (const pid of pids) {
      const ms = readOrNothing(path.join(folder, String(pid)));
      if (ms !== undefined) times[kind] = (times[kind] ?? 0) + ms;
    }
  }
  return times;
}

function readOrNothing(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
