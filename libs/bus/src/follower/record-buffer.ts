/**
 * Buffers records between the log and the work of a follower. An idle follower takes each record at once. A busy follower begins
 * a batch at most every 200 ms, unless a whole batch waits, so that more events share the cost of a transaction (the position,
 * an fsync). The buffer is limited: when it is full, the reader waits, and the log keeps the rest.
 */
import { guarded } from "@carillon/base";
import type { Event } from "@carillon/protocol";

/** An event about a change of its group, with the version of the group after the change. */
export interface GroupChangeEvent {
  event: Event;
  version: number;
}

export interface FollowedRecord {
  /** Sequence in the log. */
  seq: number;
  events: Event[];
  /** The events that tell about a change of their group. */
  changes: GroupChangeEvent[];
  /** Size of the events in the log, bytes. */
  bytes: number;
}

/** A batch of whole, consecutive records. */
export interface FollowedBatch {
  lastRecord: number;
  events: Event[];
  changes: GroupChangeEvent[];
}

export interface BatchBounds {
  rows: number;
  bytes: number;
}

/** Limits of one transaction. A larger single record goes alone. */
const BATCH_BOUNDS: BatchBounds = { rows: 1_000, bytes: 4 * 1024 * 1024 };

const BATCH_EVERY_MS = 200;

export class RecordBuffer {
  /** Time of the last batch, monotonic ms. */
  private takenAt = Number.NEGATIVE_INFINITY;
  private records: FollowedRecord[] = [];
  private rows = 0;
  private bytes = 0;
  private closed = false;
  private wake: (() => void)[] = [];

  constructor(
    private readonly bounds: BatchBounds = BATCH_BOUNDS,
    private readonly everyMs = BATCH_EVERY_MS,
  ) {}

  /** Waits until there is room. @returns false when the buffer is closed; then the reader stops */
  async add(record: FollowedRecord): Promise<boolean> {
    while (!this.closed && this.isFull()) await this.changed();
    if (this.closed) return false;
    this.records.push(record);
    this.rows += record.events.length;
    this.bytes += record.bytes;
    this.wakeAll();
    return true;
  }

  /** Waits for the next batch. @returns undefined when the buffer is closed; waiting records are still in the log */
  async take(): Promise<FollowedBatch | undefined> {
    while (!this.closed && this.records.length === 0) await this.changed();
    const dueAt = this.takenAt + this.everyMs;
    for (let now = performance.now(); !this.closed && !this.isFull() && now < dueAt; now = performance.now()) {
      const timer = setTimeout(
        guarded("timer", () => this.wakeAll()),
        dueAt - now,
      );
      await this.changed();
      clearTimeout(timer);
    }
    if (this.closed) return undefined;
    this.takenAt = performance.now();
    const taken = this.records.splice(0, this.fitting());
    for (const { events, bytes } of taken) {
      this.rows -= events.length;
      this.bytes -= bytes;
    }
    this.wakeAll();
    return {
      lastRecord: taken.at(-1)!.seq,
      events: taken.flatMap(({ events }) => events),
      changes: taken.flatMap(({ changes }) => changes),
    };
  }

  close(): void {
    this.closed = true;
    this.wakeAll();
  }

  private isFull(): boolean {
    return this.rows >= this.bounds.rows || this.bytes >= this.bounds.bytes;
  }

  private fitting(): number {
    let [rows, bytes] = [0, 0];
    for (const [index, record] of this.records.entries()) {
      rows += record.events.length;
      bytes += record.bytes;
      if (index > 0 && (rows > this.bounds.rows || bytes > this.bounds.bytes)) return index;
    }
    return this.records.length;
  }

  private changed(): Promise<void> {
    return new Promise((resolve) => this.wake.push(resolve));
  }

  private wakeAll(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}
