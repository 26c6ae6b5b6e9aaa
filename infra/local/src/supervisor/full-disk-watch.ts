import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { statfs } from "node:fs/promises";

const FULL = /no space left on device/i;
const PERIOD_MS = 2000;
const ENOUGH_BYTES = 64 << 20;

export interface DiskEvents {
  /** Called when the server has logged that it could not write. */
  onFull(): void;
  /** Called when the disk has room again after that. */
  onSpace(): Promise<void>;
}

/**
 * Searches new lines of a server's log for signs of a full disk, and reports when the disk has room again.
 *
 * It uses the log and not only the free space: a disk may be full for a moment between two looks, and a single write that failed
 * in that moment breaks a stream. Room means 64 MiB, or a tenth of a smaller disk.
 */
export class FullDiskWatch {
  private readonly timer: NodeJS.Timeout;
  private offset: number;
  private full = false;
  private busy = false;

  /**
   * @param logFile the log of the server
   * @param folder a folder on the disk to watch
   */
  constructor(
    private readonly logFile: string,
    private readonly folder: string,
    private readonly events: DiskEvents,
    periodMs: number = PERIOD_MS,
  ) {
    this.offset = readFrom(logFile, Number.MAX_SAFE_INTEGER).end;
    this.timer = setInterval(() => void this.look(), periodMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      const { text, end } = readFrom(this.logFile, this.offset);
      this.offset = end;
      if (!this.full && FULL.test(text)) {
        this.full = true;
        this.events.onFull();
      }
      if (this.full && (await hasRoom(this.folder))) {
        this.full = false;
        await this.events.onSpace();
        // Lines that the server wrote while it stopped are about the past.
        this.offset = readFrom(this.logFile, Number.MAX_SAFE_INTEGER).end;
      }
    } finally {
      this.busy = false;
    }
  }
}

async function hasRoom(folder: string): Promise<boolean> {
  const disk = await statfs(folder);
  return disk.bavail * disk.bsize >= Math.min(ENOUGH_BYTES, (disk.blocks * disk.bsize) / 10);
}

/** Reads a file from `offset` on, at most 1 MiB, and returns the text and its end. A file that shrank is read from its end. */
function readFrom(file: string, offset: number): { text: string; end: number } {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return { text: "", end: 0 };
  }
  try {
    const { size } = fstatSync(descriptor);
    const start = Math.min(offset, size);
    const buffer = Buffer.alloc(Math.min(size - start, 1 << 20));
    const read = readSync(descriptor, buffer, 0, buffer.length, start);
    return { text: buffer.toString("utf8", 0, read), end: start + read };
  } finally {
    closeSync(descriptor);
  }
}
