/**
 * Follows the log of one partition: whatever has to hear of every event hears it here, at least once and in order.
 *
 *   claim     fences every former follower of the partition, and learns the position   (the work's own store)
 *   read      records behind the position, in order, without a hole
 *   work      batches; each moves the position together with what it does
 *
 * Whatever goes wrong on the way (the store away, a connection lost in mid-commit, NATS away), the follower begins again
 * at the claim after a pause: the claim waits for a transaction that may still be under way, and what it reads is the
 * only truth about what was done. The records wait in the log.
 */
import { Backoff, sleep } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import type { Bus } from "../connection";
import { recordSeqOf } from "../envelopes/log-records";
import { type FollowedBatch, RecordBuffer } from "./record-buffer";
import { checkLogFits, RecordReader } from "./record-reader";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const FENCED_PAUSE_MS = 1_000;

/** How far a follower has come in a partition. */
export interface FollowerProgress {
  /** Its claim: a store refuses what a follower with a lower one wants to do. */
  epoch: number;
  /** Log position up to which everything is done; -1: nothing. */
  position: number;
  /** Events done since the process began. */
  done: number;
}

/** One partition that is followed. */
export interface Followed {
  readonly progress: FollowerProgress;
  start(): void;
  /** Finishes the batch under way. */
  stop(): Promise<void>;
}

/** What a follower does with the events. */
export interface FollowerWork {
  /** Fences every former follower of the partition. @returns the claim, and the position where to go on */
  claim(partition: number): Promise<Pick<FollowerProgress, "epoch" | "position">>;
  /**
   * Does the work of a batch, and stores its end as the position in the same step; moves `progress` when it is done.
   * @throws an error after which only the stored position tells whether it was done
   */
  work(batch: FollowedBatch, progress: FollowerProgress): Promise<void>;
  /** What an error of `claim` or `work` means: another follower has claimed the partition, or the store is away. */
  judge(error: unknown): "fenced" | "away" | "fault";
}

export interface PartitionFollowerOptions extends FollowerWork {
  bus: Bus;
  partition: number;
  logger: Logger;
}

export class PartitionFollower implements Followed {
  readonly progress: FollowerProgress = { epoch: 0, position: -1, done: 0 };
  private readonly backoff = new Backoff({ first: FIRST_PAUSE_MS, most: LONGEST_PAUSE_MS });
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: PartitionFollowerOptions) {}

  start(): void {
    this.running = this.run();
  }

  /** Finishes the batch under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const before = this.progress.position;
      const error = await this.followUntilFault().catch((fault: unknown) => fault);
      if (signal.aborted) return;
      if (this.progress.position > before) this.backoff.reset();
      await sleep(this.pauseAfter(error), signal);
    }
  }

  /** Claims, then reads and works until stop() or a fault of either side. */
  private async followUntilFault(): Promise<void> {
    const { bus, partition, claim } = this.options;
    const { signal } = this.stopping;
    Object.assign(this.progress, await claim(partition));
    const lastDone = Math.max(0, recordSeqOf(this.progress.position));
    await checkLogFits(bus, partition, lastDone);
    if (signal.aborted) return;
    const buffer = new RecordBuffer();
    const reader = new RecordReader(bus, partition, buffer);
    const end = () => {
      buffer.close();
      reader.stop();
    };
    signal.addEventListener("abort", end);
    try {
      const reading = reader.run(lastDone + 1).finally(end);
      const working = this.workOff(buffer).finally(end);
      const faults = (await Promise.allSettled([working, reading])).flatMap((result) =>
        result.status === "rejected" ? [result.reason as Error] : [],
      );
      if (faults.length > 0) throw faults[0];
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  private async workOff(buffer: RecordBuffer): Promise<void> {
    for (let batch = await buffer.take(); batch !== undefined; batch = await buffer.take()) {
      await this.options.work(batch, this.progress);
    }
  }

  private pauseAfter(error: unknown): number {
    const { logger, partition, judge } = this.options;
    const kind = error === undefined ? "fault" : judge(error);
    if (kind === "fenced") {
      logger.info({ partition }, "another process has claimed the partition");
      return FENCED_PAUSE_MS * (1 + Math.random());
    }
    const pauseMs = this.backoff.next();
    if (kind === "away") logger.warn({ partition, pauseMs, err: error }, "the store is away, the log waits");
    else if (error instanceof Error) logger.error({ partition, pauseMs, err: error }, "a partition is not followed");
    return pauseMs;
  }
}
