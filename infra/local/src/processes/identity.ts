import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A process by pid and start time. A pid alone may be given to somebody else's process after ours has died, so
 * nothing here is ever signalled by pid alone.
 */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot at which the process began: field 22 of /proc/PID/stat. */
  startTime: string;
}

/** The identity of a living process, or undefined when there is none under this pid (or only a zombie). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may itself hold spaces and parentheses.
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

/** Waits until the process is gone; false when it still lives after `timeoutMs`. */
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
 * Ends a process of ours: `signal` first, SIGKILL after `graceMs`. A paused process is continued, because it could
 * not act on the gentle signal otherwise. Resolves when it is gone.
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
