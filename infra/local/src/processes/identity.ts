import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A process, identified by pid and start time. After a process has died, its pid may belong to another process, so
 * this package never sends a signal by pid alone.
 */
export interface ProcessIdentity {
  pid: number;
  /** Start of the process in clock ticks after boot: field 22 of /proc/PID/stat. */
  startTime: string;
}

/** Returns the identity of a living process, or undefined when the pid belongs to none (or to a zombie). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTime] = [fields[0], fields[19]];
    return state === "Z" || state === "X" || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/** Sends a signal to exactly this process. Returns false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) {
    return false;
  }
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the process has exited; returns false when it still lives after `timeoutMs`. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(identity)) {
    if (performance.now() > deadline) {
      return false;
    }
    await sleep(20);
  }
  return true;
}

/**
 * Ends a process: `signal` first, SIGKILL after `graceMs`. It continues a paused process, which otherwise could not react to the
 * first signal. Resolves when the process has exited.
 */
export async function endProcess(
  identity: ProcessIdentity,
  graceMs: number,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<"gone" | "ended" | "killed"> {
  if (!signalProcess(identity, signal)) {
    return "gone";
  }
  signalProcess(identity, "SIGCONT");
  if (await waitUntilGone(identity, graceMs)) {
    return "ended";
  }
  signalProcess(identity, "SIGKILL");
  await waitUntilGone(identity, 10_000);
  return "killed";
}
