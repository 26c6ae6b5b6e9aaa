/** How long Node processes collect garbage: they are started with a watch that tells it, which costs nothing elsewhere. */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** What Node processes load so that they write what they have spent on garbage. */
export const GC_WATCH = path.join(__dirname, "gc-watch.cjs");

/** Environment that tells them into which folder; it is made. */
export function gcEnvironment(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  return { BENCH_GC_FOLDER: folder };
}

/** ms since each kind of process began; kinds that are not Node are left out. As of the last second. */
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
