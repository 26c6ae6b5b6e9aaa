/**
 * One lane of the fan-out of a partition: the events of private conversations, or those of groups.
 *
 * Rounds of a lane go one after the other, since inboxes remember, for each lane, the last log position that they took. When
 * Redis is away the position stays behind, what waited in memory is dropped, and later the log is read again from the
 * position on: nothing piles up. The same reading again serves a new owner, which goes on where the old one stopped; inboxes
 * skip what they have.
 */
import { Backoff, settlesWithin, sleep } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import { endOfRecord, type LoggedEvent, recordSeqOf } from "@carillon/bus";
import type { EventHead } from "@carillon/protocol";

/** Events that may wait in memory; beyond, the log is read again. */
const MOST_WAITING = 8_192;
/** A round that takes longer says that Redis, or what a group's members are asked of, does not answer, ms. */
const SILENT_MS = 1_000;

export interface Item {
  event: LoggedEvent;
  head: EventHead;
  position: number;
}

export interface LaneOptions {
  partition: number;
  logger: Logger;
  /** ms */
  monotonic(): number;
  /** Fills inboxes and tells gateways, in rounds; `onRound` after each. */
  deliver(items: Item[], onRound: (events: number) => void): Promise<void>;
  /** Inboxes may hold events that no gateway was told of, since rounds had failed halfway; the stores answer again. */
  onUncertain(): void;
  /** Everything up to the lane's position is delivered. */
  onMoved(): void;
  /** Reads the lane's events from a record on, up to what the log held at the call; many records at a time. */
  readEvents(fromRecord: number, onRecords: (lastRecord: number, items: Item[]) => Promise<void>): Promise<void>;
}

interface Waiting {
  recordSeq: number;
  items: Item[];
  addedAt: number;
}

export class FanOutLane {
  private waiting: Waiting[] = [];
  private waitingEvents = 0;
  /** Since when the round in work and what it delivers has waited; undefined: nothing is in work. */
  private inWorkSince: number | undefined;
  private roundBeganAt = 0;
  private hasFailed = false;
  /** Set when memory no longer has everything above the position: the log must be read again. */
  private behind = false;
  private isReading = false;
  /** While the log is read again: events delivered, less what is owed for those that were added meanwhile. */
  private credit = 0;
  private loop: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private progress: (() => void)[] = [];

  /** @param filled log position up to which the inboxes are filled */
  constructor(
    private readonly options: LaneOptions,
    private filled: number,
  ) {}

  get position(): number {
    return this.filled;
  }

  /** How long the oldest event that is not delivered has waited here, ms; 0 when all is delivered. */
  get lagMs(): number {
    const since = this.inWorkSince ?? this.waiting[0]?.addedAt;
    return since === undefined ? 0 : this.options.monotonic() - since;
  }

  /** Whether deliveries wait for a store that does not answer. */
  get isStalled(): boolean {
    if (this.hasFailed) return true;
    return this.inWorkSince !== undefined && this.options.monotonic() - this.roundBeganAt > SILENT_MS;
  }

  /** Whether events are delivered as fast as they are added, or faster when there is something to catch up. */
  keepsUp(mostLagMs: number): boolean {
    return this.isCatchingUp ? this.credit >= 0 : this.lagMs <= mostLagMs;
  }

  /** Reads the log again from the position on, before anything else is fanned out. */
  catchUp(): void {
    this.fallBehind();
    this.wake();
  }

  /** Takes the lane's events of an appended record; there may be none. */
  add(recordSeq: number, items: Item[]): void {
    if (items.length === 0 && this.loop === undefined) return this.moveTo(endOfRecord(recordSeq));
    // Twice as much must be delivered as is added, or a log that is read again would never be read to its end.
    if (this.isCatchingUp) this.credit -= 2 * items.length;
    if (!this.behind) {
      this.waiting.push({ recordSeq, items, addedAt: this.options.monotonic() });
      this.waitingEvents += items.length;
      if (this.waitingEvents > MOST_WAITING) this.fallBehind();
    }
    this.wake();
  }

  /** Resolves when a round is done, or something else has changed; at the latest after `ms`. */
  async nextProgress(ms: number): Promise<void> {
    await settlesWithin(new Promise<void>((resolve) => this.progress.push(resolve)), ms);
  }

  /** Finishes the round in work and stops; the next owner goes on from the position. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  /** Waits until everything is fanned out, at most `ms`. */
  async drain(ms: number): Promise<void> {
    if (this.loop !== undefined) await settlesWithin(this.loop, ms);
  }

  private get isCatchingUp(): boolean {
    return this.behind || this.isReading;
  }

  private fallBehind(): void {
    if (!this.isCatchingUp) this.credit = 0;
    this.behind = true;
    this.waiting = [];
    this.waitingEvents = 0;
  }

  private wake(): void {
    this.loop ??= this.run().finally(() => {
      this.loop = undefined;
      this.reportProgress();
      // Events that were added after the loop had seen an empty queue found the loop still there.
      if (!this.stopping.signal.aborted && this.hasWork) this.wake();
    });
  }

  private get hasWork(): boolean {
    return this.behind || this.waiting.length > 0;
  }

  private async run(): Promise<void> {
    const backoff = new Backoff({ first: 50, most: 1_000 });
    while (!this.stopping.signal.aborted && this.hasWork) {
      this.roundBeganAt = this.options.monotonic();
      try {
        if (this.behind) await this.readAgain();
        else await this.runWaiting();
        backoff.reset();
        // Once for all failures in a row: while the stores were away gateways could not have looked either.
        if (this.hasFailed) this.options.onUncertain();
        this.hasFailed = false;
      } catch (err) {
        const { partition, logger } = this.options;
        logger.warn({ partition, err }, "inboxes cannot be filled, the log is read again later");
        this.hasFailed = true;
        this.fallBehind();
        this.inWorkSince = undefined;
        this.reportProgress();
        await sleep(backoff.next(), this.stopping.signal);
      }
    }
  }

  private async runWaiting(): Promise<void> {
    const records = this.waiting;
    this.waiting = [];
    this.waitingEvents = 0;
    this.inWorkSince = records[0]!.addedAt;
    await this.deliver(records.flatMap(({ items }) => items));
    this.inWorkSince = undefined;
    this.moveTo(endOfRecord(records.at(-1)!.recordSeq));
  }

  private async readAgain(): Promise<void> {
    this.inWorkSince = this.options.monotonic();
    this.isReading = true;
    // Events that are appended from now on wait in memory again, up to the bound.
    this.behind = false;
    try {
      await this.options.readEvents(recordSeqOf(this.filled), async (lastRecord, items) => {
        if (this.stopping.signal.aborted) return;
        await this.deliver(items);
        this.moveTo(endOfRecord(lastRecord));
      });
    } finally {
      this.isReading = false;
      this.inWorkSince = undefined;
    }
  }

  private async deliver(items: Item[]): Promise<void> {
    this.roundBeganAt = this.options.monotonic();
    await this.options.deliver(items, (events) => {
      this.credit += events;
      this.roundBeganAt = this.options.monotonic();
      this.reportProgress();
    });
  }

  private moveTo(position: number): void {
    if (position <= this.filled) return;
    this.filled = position;
    this.options.onMoved();
  }

  private reportProgress(): void {
    const { progress } = this;
    this.progress = [];
    for (const resolve of progress) resolve();
  }
}
