import { execFileSync } from "node:child_process";

/**
 * Gives a process a core whenever it wants one: the bench would measure late messages of the generator as slowness of the
 * servers. A nice value does not help, since Linux shares out cores by session first. A closed loop runs without this: a
 * generator that answers each message at once makes the servers' batches smaller than clients elsewhere would. Processes
 * that the process starts meanwhile inherit the priority. @returns a function that ends it
 */
export function runAhead(pid: number): () => void {
  setPolicy(pid, ["--rr"], 1);
  return () => setPolicy(pid, ["--other"], 0);
}

function setPolicy(pid: number, policy: string[], priority: number): void {
  try {
    execFileSync("chrt", [...policy, "--all-tasks", "--pid", String(priority), String(pid)], { stdio: "ignore" });
  } catch {
    // Only root may do this; without it, the report shows how late the generator was.
  }
}
