import { execFileSync } from "node:child_process";

/**
 * Gives a process a core whenever it wants one: what the generator sends late would be measured as the servers' slowness.
 * A nice value does nothing for that, since Linux shares out cores by session first. In a closed loop it stays as it is:
 * a generator that answers each message at once makes the servers' batches smaller than clients elsewhere would.
 * What it starts meanwhile inherits this. @returns ends it
 */
export function runAhead(pid: number): () => void {
  setPolicy(pid, ["--rr"], 1);
  return () => setPolicy(pid, ["--other"], 0);
}

function setPolicy(pid: number, policy: string[], priority: number): void {
  try {
    execFileSync("chrt", [...policy, "--all-tasks", "--pid", String(priority), String(pid)], { stdio: "ignore" });
  } catch {
    // Only root may; the lateness that is reported tells what it costs.
  }
}
