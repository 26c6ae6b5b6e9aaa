/**
 * Group commit: batches that are formed by waiting for the previous one.
 *
 * Idle, an item goes out with whatever else arrived in the same turn of the event loop: no delay is added.
 * Busy, items gather while a commit is under way and go out together when it returns: the batch grows with the
 * load by itself, and with it falls the cost per item. There is never more than one commit under way, so commits
 * keep the order of arrival. Memory is bounded: `add` says no when the bounds are reached, and the caller tells
 * its own caller to come back later.
 */
import { reportCaught } from "./boundary";

export interface GroupCommitOptions<T> {
  /** Writes one batch. Must not reject: what went wrong with a batch is for the callback to tell its items. */
  commit(batch: T[]): Promise<void>;
  /** Most items of one batch. */
  maxItems: number;
  /** Most bytes of one batch (a single larger item goes alone). */
  maxBytes?: number;
  /** Bytes of an item; needed with maxBytes. */
  sizeOf?(item: T): number;
  /** Most items waiting. */
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

  /** Items not yet handed to a commit. */
  get length(): number {
    return this.waiting.length;
  }

  /** @returns false when the bound is reached; the item was not taken */
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

  /** Resolves when nothing waits and nothing is under way. */
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
        // A batch that broke the rule must not stop those behind it.
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

/** After the sockets that are readable now were read, where the platform can say so. */
function deferTurn(callback: () => void): void {
  if (typeof setImmediate === "function") setImmediate(callback);
  else setTimeout(callback, 0);
}
