import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { statfs } from "node:fs/promises";

const FULL = /no space left on device/i;
const PERIOD_MS = 2000;
const ENOUGH_BYTES = 64 << 20;

export interface DiskEvents {
  /** The server has said that it could not write. */
  onFull(): void;
  /** After that, there is room again. */
  onSpace(): Promise<void>;
}

/**
 * Reads what a server adds to its log for signs of a full disk, and tells when the disk has room again.
 *
 * The log is believed rather than the free space alone: a disk may be full for a moment between two looks, and one
 * write that failed in it is what breaks a stream. Room means 64 MiB, or a tenth of a smaller disk.
 */
export class FullDiskWatch {
  private readonly timer: NodeJS.Timeout;
  private offset: number;
  private full = false;
  private busy = false;

  /**
   * @param logFile what the server writes to
   * @param folder lies on the disk that matters
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
        // What it said while it went down is about the past.
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

/** What a file holds from `offset` on, at most 1 MiB, and where that ends. A file that shrank is read from its end. */
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
