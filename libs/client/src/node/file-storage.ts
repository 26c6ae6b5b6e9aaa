/**
 * Storage in a folder, for Node.
 *
 * The idea: a log of lines, each one batch of changes with a checksum; the last change of a key holds. What is written
 * while a write is under way goes to the disk together as the next line, with one fsync. When most of the log is out
 * of date, what holds is written to a new file that takes the place of the old one.
 *
 * Edge cases:
 * - Killed in the middle of an append: the last line is torn, nobody was told that it is kept. It is cut off.
 * - Killed while compacting: the new file was not renamed yet and is thrown away, or was and is complete.
 * - A line that cannot be read with readable ones behind it is no torn write: the file is damaged, and is refused.
 * - The disk is full: what was appended by halves is cut off again, the values stay as they were, `set` rejects.
 */
import { constants, type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { crc32 } from "node:zlib";
import { tryLock, unlock } from "@carillon/base/process-lock";
import type { ClientStorage } from "../storage/storage";

const LOG = "values.log";
const COMPACTED = "values.new";
/** The log is compacted when it is larger than this and four times what holds, bytes. */
const COMPACT_BYTES = 256 * 1024;
const COMPACT_FACTOR = 4;

/** null: the key is deleted. */
type Entry = [key: string, value: string | null];

interface Change {
  entry: Entry;
  resolve(): void;
  reject(error: unknown): void;
}

/** A storage that was opened; who opened it closes it, after the client. */
export interface FileStorage extends ClientStorage {
  /** Waits for what was begun, and lets another process open the folder. */
  close(): Promise<void>;
}

/**
 * Opens the storage of one device of one user. Survives a kill at any moment; a `set` that resolved is on the disk.
 * @param folder is made when it is not there; nobody else may write into it
 * @throws Error when another process, or another client of this one, has it open; when its file is damaged
 */
export async function openFileStorage(folder: string): Promise<FileStorage> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const unlock = await lockFolder(folder);
  try {
    await rm(path.join(folder, COMPACTED), { force: true });
    const log = await open(path.join(folder, LOG), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const storage = new LogStorage(folder, log, unlock);
      await storage.load();
      return storage;
    } catch (error) {
      await log.close();
      throw error;
    }
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** @returns a function that unlocks the folder @throws Error when another process, or this one, has locked it */
async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const lock = path.join(folder, "lock");
  const holder = await tryLock(lock);
  if (holder?.pid === process.pid) throw new Error(`${folder} is in use by this process already`);
  if (holder !== undefined) {
    throw new Error(`${folder} is in use by process ${holder.pid}; one process at a time (${lock})`);
  }
  return () => unlock(lock);
}

class LogStorage implements FileStorage {
  readonly #values = new Map<string, string>();
  #bytes = 0;
  #liveBytes = 0;
  #pending: Change[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    private readonly folder: string,
    private log: FileHandle,
    private readonly unlock: () => Promise<void>,
  ) {}

  async load(): Promise<void> {
    const content = await readFile(path.join(this.folder, LOG));
    let end = 0;
    while (end < content.length) {
      const newline = content.indexOf(10, end);
      const entries = newline === -1 ? undefined : readLine(content.subarray(end, newline));
      if (entries === undefined) break;
      this.#apply(entries);
      end = newline + 1;
    }
    if (hasReadableLine(content, end)) throw new Error(`${path.join(this.folder, LOG)} is damaged at byte ${end}`);
    if (end < content.length) await this.log.truncate(end);
    this.#bytes = end;
  }

  async get(key: string): Promise<string | undefined> {
    return this.#values.get(key);
  }

  async keys(): Promise<string[]> {
    return [...this.#values.keys()];
  }

  set(key: string, value: string): Promise<void> {
    return this.#change(key, value);
  }

  delete(key: string): Promise<void> {
    return this.#change(key, null);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.log.close();
    await this.unlock();
  }

  #change(key: string, value: string | null): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error("the storage is closed"));
    return new Promise((resolve, reject) => {
      this.#pending.push({ entry: [key, value], resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    // What is asked for in this turn goes together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const changes = this.#pending;
      this.#pending = [];
      try {
        const entries = changes.map(({ entry }) => entry);
        await this.#append(lineOf(entries));
        this.#apply(entries);
        for (const { resolve } of changes) resolve();
      } catch (error) {
        for (const { reject } of changes) reject(error);
        continue;
      }
      // The values are safe in the old file: compacting may fail, and is tried again after the next write.
      if (this.#bytes > COMPACT_BYTES && this.#bytes > COMPACT_FACTOR * this.#liveBytes) {
        await this.#compact().catch(() => {});
      }
    }
    // In the turn in which nothing was left: what is asked for next starts anew.
    this.#writing = undefined;
  }

  async #append(line: Buffer): Promise<void> {
    try {
      await writeAt(this.log, line, this.#bytes);
      // A file that was deleted takes writes as before, and is gone with the process.
      if ((await this.log.stat()).nlink === 0) throw new Error(`${this.folder} was deleted while it was open`);
      this.#bytes += line.length;
    } catch (error) {
      // Whether it is there or not: nobody may find it later, as the caller is told that it is not kept.
      await this.log.truncate(this.#bytes);
      throw error;
    }
  }

  async #compact(): Promise<void> {
    const file = path.join(this.folder, COMPACTED);
    const line = lineOf([...this.#values]);
    const compacted = await open(file, "w+", 0o600);
    try {
      await writeAt(compacted, line, 0);
      await rename(file, path.join(this.folder, LOG));
    } catch (error) {
      await compacted.close();
      throw error;
    }
    const old = this.log;
    this.log = compacted;
    this.#bytes = line.length;
    await old.close();
    await syncFolder(this.folder);
  }

  #apply(entries: readonly Entry[]): void {
    for (const [key, value] of entries) {
      const before = this.#values.get(key);
      if (before !== undefined) this.#liveBytes -= key.length + before.length;
      if (value === null) this.#values.delete(key);
      else {
        this.#values.set(key, value);
        this.#liveBytes += key.length + value.length;
      }
    }
  }
}

/** Writes all of it, and waits until the disk has it. */
async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
  await file.datasync();
}

/** `checksum [["key","value"],...]`; JSON has no line breaks of its own. */
function lineOf(entries: readonly Entry[]): Buffer {
  const json = JSON.stringify(entries);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

function readLine(line: Buffer): Entry[] | undefined {
  const text = line.toString();
  const json = text.slice(9);
  return text.slice(0, 9) === `${checksum(json)} ` ? JSON.parse(json) : undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** Whether a line behind the first unreadable one can be read. */
function hasReadableLine(content: Buffer, from: number): boolean {
  for (let start = content.indexOf(10, from); start !== -1; ) {
    const end = content.indexOf(10, start + 1);
    if (end !== -1 && readLine(content.subarray(start + 1, end)) !== undefined) return true;
    start = end;
  }
  return false;
}

/** A renamed file is found after a power loss only when its folder was written too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  // Some systems cannot open folders; there the rename itself is all there is.
  await handle?.sync().catch(() => {});
  await handle?.close();
}
