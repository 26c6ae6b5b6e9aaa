import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess, isAlive, type ProcessIdentity } from "./identity";

/**
 * Takes the lock `file` for this process if no living process holds it. The file names its holder by pid and start time,
 * so that a lock left by a crash is recognised and taken over.
 *
 * @returns undefined when taken, otherwise the holder.
 */
export function tryLock(file: string): ProcessIdentity | undefined {
  mkdirSync(path.dirname(file), { recursive: true });
  const self = identifyProcess(process.pid)!;
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(self));
  try {
    for (;;) {
      try {
        // Unlike open and write, a link appears together with its content, and fails if the name is taken.
        linkSync(draft, file);
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
          throw error;
        }
      }
      const holder = readHolder(file);
      if (holder !== undefined && isAlive(holder)) {
        return holder;
      }
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Returns the process named in a lock file, or undefined when the file is missing or unreadable. */
export function readHolder(file: string): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8"));
    return typeof holder.pid === "number" && typeof holder.startTime === "string" ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Gives the lock back if this process holds it. */
export function unlock(file: string): void {
  if (readHolder(file)?.pid === process.pid) {
    rmSync(file, { force: true });
  }
}

/** Runs `work` while holding the lock. It first waits for other living holders; `onWait` gets the holder once. */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: (holder: ProcessIdentity) => void = () => {},
): Promise<T> {
  let told = false;
  for (let holder = tryLock(file); holder !== undefined; holder = tryLock(file)) {
    if (!told) {
      told = true;
      onWait(holder);
    }
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    unlock(file);
  }
}
