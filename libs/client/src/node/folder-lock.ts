/**
 * One process at a time in a folder, by a file that names the process.
 *
 * Edge cases:
 * - The process was killed: the file stays behind. It counts only while that very process lives; where the system
 *   tells when a process began, a later one with the same number is not taken for it (in a container it often is 1).
 * - Two processes find such a file at the same time: only the one that makes the second file may remove the first.
 */
import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";

interface Owner {
  pid: number;
  /** When the process began, in the system's own words; empty where it does not tell. */
  began: string;
}

const LOCK = "lock";
const REMOVING = "lock.removing";
/** Removing takes some ms; who takes longer was killed. */
const REMOVING_MS = 10_000;
const MOST_TRIES = 5;

/** Folders that this process has locked. */
const ours = new Set<string>();

/**
 * @returns a function that unlocks it
 * @throws Error when another process, or this one, has locked it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const lock = path.join(path.resolve(folder), LOCK);
  if (ours.has(lock)) throw new Error(`${folder} is in use by this process already`);
  ours.add(lock);
  try {
    const self: Owner = { pid: process.pid, began: await beginOf(process.pid) };
    await take(lock, folder, self);
  } catch (error) {
    ours.delete(lock);
    throw error;
  }
  return async () => {
    await rm(lock, { force: true });
    ours.delete(lock);
  };
}

async function take(lock: string, folder: string, self: Owner): Promise<void> {
  // Made whole under another name first: nobody ever reads half of it.
  const draft = `${lock}.${self.pid}`;
  await writeFile(draft, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      if (await linked(draft, lock)) return;
      const owner = await readOwner(lock);
      if (owner !== undefined && (await lives(owner))) {
        throw new Error(`${folder} is in use by process ${owner.pid}; one process at a time (${lock})`);
      }
      await removeDead(lock, draft);
    }
    throw new Error(`${folder} is being opened by several processes`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes the file of a dead process, unless somebody else is about to. */
async function removeDead(lock: string, draft: string): Promise<void> {
  const removing = path.join(path.dirname(lock), REMOVING);
  if (!(await linked(draft, removing))) {
    const since = (await stat(removing).catch(() => undefined))?.ctimeMs ?? 0;
    if (Date.now() - since > REMOVING_MS) await rm(removing, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 20));
    return;
  }
  try {
    // Looked at again, as it may be another process's by now.
    const owner = await readOwner(lock);
    if (owner === undefined || !(await lives(owner))) await rm(lock, { force: true });
  } finally {
    await rm(removing, { force: true });
  }
}

/** @returns false when it is there already */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readOwner(lock: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(lock, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

async function lives({ pid, began }: Owner): Promise<boolean> {
  // This process knows what it has locked itself: what else bears its number is of an earlier one.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be signalled, but it is there.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = await beginOf(pid);
  return began === "" || now === "" || now === began;
}

/** Linux tells it as the 22nd word of `stat`; the second one is a name in brackets that may have blanks. */
async function beginOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
