/**
 * A storage in a folder, for Node.
 *
 * The idea: the storage is a log of lines. Each line is a batch of changes with a checksum; the last change of a key holds.
 * Changes that arrive during a write go to the disk together as the next line, with one fsync. When most of the log is out of
 * date, the storage writes the present values to a new file, which replaces the old one.
 *
 * Edge cases:
 * - A kill in the middle of an append: the last line is torn, and the storage has confirmed it to no caller. The storage cuts it
 *   off.
 * - A kill during compaction: if the new file was not renamed yet, the storage deletes it; if it was renamed, it is complete.
 * - An unreadable line with readable lines after it is no torn write: the file is damaged, and the storage refuses it.
 * - A full disk: the storage cuts off the half-written line, the values stay as they were, and `set` rejects.
 */
import { constants, type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { crc32 } from "node:zlib";
import { tryLock, unlock } from "@carillon/base/process-lock";
import type { ClientStorage } from "../storage/storage";

const LOG = "values.log";
const COMPACTED = "values.new";
/** The storage compacts the log when it is larger than this, and larger than four times the present values, bytes. */
const COMPACT_BYTES = 256 * 1024;
const COMPACT_FACTOR = 4;

/** A value of null deletes the key. */
type Entry = [key: string, value: string | null];

interface Change {
  entry: Entry;
  resolve(): void;
  reject(error: unknown): void;
}

/** An open storage. The app that opened it closes it, after the client. */
export interface FileStorage extends ClientStorage {
  /** Waits for the writes that have begun, and lets another process open the folder. */
  close(): Promise<void>;
}

/**
 * Opens the storage of one device of one user. The storage survives a kill at any moment; when `set` resolves, the value is on
 * the disk.
 * @param folder is created if it does not exist; no other program may write into it
 * @throws Error if another process, or another client of this process, has the folder open; if its file is damaged
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

/** @returns a function that unlocks the folder @throws Error if another process, or this process, has locked the folder */
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
    // Changes of the same turn go into the same line.
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
      // The values are safe in the old file: a compaction that fails is tried again after the next write.
      if (this.#bytes > COMPACT_BYTES && this.#bytes > COMPACT_FACTOR * this.#liveBytes) {
        await this.#compact().catch(() => {});
      }
    }
    // In this turn no change was left: the next change starts a new write.
    this.#writing = undefined;
  }

  async #append(line: Buffer): Promise<void> {
    try {
      await writeAt(this.log, line, this.#bytes);
      // A deleted file still accepts writes, and disappears with the process.
      if ((await this.log.stat()).nlink === 0) throw new Error(`${this.folder} was deleted while it was open`);
      this.#bytes += line.length;
    } catch (error) {
      // The line may be there or not. No process may find it later, because the caller learns that the write failed.
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

/** Writes all bytes, and waits until the disk has them. */
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

/** Returns whether a line after the first unreadable line can be read. */
function hasReadableLine(content: Buffer, from: number): boolean {
  for (let start = content.indexOf(10, from); start !== -1; ) {
    const end = content.indexOf(10, start + 1);
    if (end !== -1 && readLine(content.subarray(start + 1, end)) !== undefined) return true;
    start = end;
  }
  return false;
}

/** Writes the folder to the disk: a renamed file survives a power loss only if its folder was written too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  // Some systems cannot open folders; there the rename alone must do.
  await handle?.sync().catch(() => {});
  await handle?.close();
}
