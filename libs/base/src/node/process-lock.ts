/**
 * One process at a time, by a file that names the process. The file stays behind when the process is killed; it counts only while
 * exactly that process lives.
 *
 * Edge cases:
 * - A process is named by its pid and its start time, where the system tells the start time: a later process with the same pid is
 *   not taken for the holder (in a container the pid often is 1).
 * - Two processes find the file of a dead process at the same time: only the one that makes a second file may remove the first.
 */
import { readFileSync } from "node:fs";
import { link, mkdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { sleep } from "../time/backoff";

/** A process. After a process has died, its pid may belong to another process. */
export interface ProcessIdentity {
  pid: number;
  /** Start of the process in clock ticks after boot, field 22 of /proc/PID/stat; empty where the system does not tell. */
  startTime: string;
}

/** Removing a file takes some ms; a process that needs longer was killed. */
const REMOVING_MS = 10_000;
const POLL_MS = 20;
const WAIT_MS = 200;

/** Locks that this process holds. */
const ours = new Set<string>();

/** Returns the identity of a living process, or undefined when the pid belongs to none (or to a zombie). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return process.platform !== "linux" && isSignalled(pid) ? { pid, startTime: "" } : undefined;
  }
  // The second field is the command in parentheses and may itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTime] = [fields[0], fields[19]];
  return state === "Z" || state === "X" || startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still lives. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const now = identifyProcess(pid)?.startTime;
  return now !== undefined && (startTime === "" || now === "" || now === startTime);
}

/**
 * Takes the lock `file` for this process if no living process holds it.
 * @returns undefined when taken, otherwise the holder
 */
export async function tryLock(file: string): Promise<ProcessIdentity | undefined> {
  const lock = path.resolve(file);
  const self = identifyProcess(process.pid) ?? { pid: process.pid, startTime: "" };
  if (ours.has(lock)) return self;
  ours.add(lock);
  let holder: ProcessIdentity | undefined;
  try {
    holder = await take(lock, self);
  } catch (error) {
    ours.delete(lock);
    throw error;
  }
  if (holder !== undefined) ours.delete(lock);
  return holder;
}

async function take(lock: string, { pid, startTime }: ProcessIdentity): Promise<ProcessIdentity | undefined> {
  await mkdir(path.dirname(lock), { recursive: true });
  // A link appears together with its content: no process ever reads half of it.
  const draft = `${lock}.${pid}`;
  await writeFile(draft, JSON.stringify({ pid, began: startTime }), { mode: 0o600 });
  try {
    for (;;) {
      if (await linked(draft, lock)) return undefined;
      const holder = readHolder(lock);
      if (holder !== undefined && holds(holder)) return holder;
      await removeDead(lock, draft);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** A file that names this process is of an earlier process with its pid: this process knows which locks it holds. */
const holds = (holder: ProcessIdentity) => holder.pid !== process.pid && isAlive(holder);

/** Removes the file of a dead process, unless another process is about to. */
async function removeDead(lock: string, draft: string): Promise<void> {
  const removing = `${lock}.removing`;
  if (!(await linked(draft, removing))) {
    const since = (await stat(removing).catch(() => undefined))?.ctimeMs ?? 0;
    if (Date.now() - since > REMOVING_MS) await rm(removing, { force: true });
    else await sleep(POLL_MS);
    return;
  }
  try {
    // Looked at again: the file may belong to another process by now.
    const holder = readHolder(lock);
    if (holder === undefined || !holds(holder)) await rm(lock, { force: true });
  } finally {
    await rm(removing, { force: true });
  }
}

/** @returns false when the name is taken */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Returns the process named in a lock file, or undefined when the file is missing or unreadable. */
export function readHolder(file: string): ProcessIdentity | undefined {
  try {
    const { pid, began, startTime = began } = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    return typeof pid === "number" && typeof startTime === "string" ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Gives the lock back if this process holds it. */
export async function unlock(file: string): Promise<void> {
  const lock = path.resolve(file);
  if (!ours.has(lock)) return;
  if (readHolder(lock)?.pid === process.pid) await rm(lock, { force: true });
  ours.delete(lock);
}

/** Runs `work` while holding the lock. It first waits for other living holders; `onWait` gets the holder once. */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: (holder: ProcessIdentity) => void = () => {},
): Promise<T> {
  let isTold = false;
  for (let holder = await tryLock(file); holder !== undefined; holder = await tryLock(file)) {
    if (!isTold) onWait(holder);
    isTold = true;
    await sleep(WAIT_MS);
  }
  try {
    return await work();
  } finally {
    await unlock(file);
  }
}

function isSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user may not be signalled, but it lives.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
