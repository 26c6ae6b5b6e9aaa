/** Ends processes by their identity: after a process has died, its pid may belong to another process. */
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, type ProcessIdentity } from "@carillon/base/process-lock";

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
