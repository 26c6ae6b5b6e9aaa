/**
 * Group commit: the next batch forms while the previous one is in flight.
 *
 * When idle, an item leaves with all items that arrived in the same turn of the event loop, without any delay.
 * When busy, items gather while a commit is in flight and leave together when it returns: batches grow with the load by
 * themselves, and the cost per item falls. Only one commit is in flight at a time, so commits keep the order of arrival.
 * Memory is limited: `add` returns false when a limit is reached, and the caller tells its own caller to come back later.
 */
import { reportCaught } from "./boundary";

export interface GroupCommitOptions<T> {
  /** Writes one batch. Must not reject: the callback itself tells the items of a batch about a failure. */
  commit(batch: T[]): Promise<void>;
  /** Maximum number of items in one batch. */
  maxItems: number;
  /** Maximum number of bytes in one batch (a larger single item goes alone). */
  maxBytes?: number;
  /** Bytes of an item; needed with maxBytes. */
  sizeOf?(item: T): number;
  /** Maximum number of waiting items. */
  maxWaiting: number;
  /** Runs the callback after the current turn. */
  defer?(callback: () => void): void;
}

export class GroupCommit<T> {
  private waiting: T[] = [];
  private scheduled = false;
  private running = false;
  private idleCallbacks: (() => void)[] = [];

  constructor(private readonly options: GroupCommitOptions<T>) {}

  /** Items that no commit has yet. */
  get length(): number {
    return this.waiting.length;
  }

  /** @returns false when the limit is reached; then the item was not taken */
  add(item: T): boolean {
    if (this.waiting.length >= this.options.maxWaiting) return false;
    this.waiting.push(item);
    if (!this.running && !this.scheduled) {
      this.scheduled = true;
      (this.options.defer ?? deferTurn)(() => {
        this.scheduled = false;
        void this.run();
      });
    }
    return true;
  }

  /** Resolves when no item waits and no commit is in flight. */
  async idle(): Promise<void> {
    if (!this.running && this.waiting.length === 0) return;
    await new Promise<void>((resolve) => this.idleCallbacks.push(resolve));
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length > 0) {
      try {
        await this.options.commit(this.takeBatch());
      } catch (error) {
        // A batch whose commit rejects must not stop the batches after it.
        reportCaught("commit", error);
      }
    }
    this.running = false;
    for (const callback of this.idleCallbacks.splice(0)) callback();
  }

  private takeBatch(): T[] {
    const { maxItems, maxBytes, sizeOf } = this.options;
    let count = Math.min(maxItems, this.waiting.length);
    if (maxBytes !== undefined && sizeOf !== undefined) {
      let bytes = 0;
      for (let i = 0; i < count; i++) {
        bytes += sizeOf(this.waiting[i]!);
        if (bytes > maxBytes && i > 0) {
          count = i;
          break;
        }
      }
    }
    if (count === this.waiting.length) {
      const batch = this.waiting;
      this.waiting = [];
      return batch;
    }
    return this.waiting.splice(0, count);
  }
}

/** Runs the callback after the sockets that are readable now were read, where the platform supports that. */
function deferTurn(callback: () => void): void {
  if (typeof setImmediate === "function") setImmediate(callback);
  else setTimeout(callback, 0);
}
