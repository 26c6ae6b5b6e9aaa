/**
 * Follows the log of one partition, for processes that must hear of every event, at least once and in order.
 *
 *   claim     fences every former follower of the partition, and learns the position   (in the work's own store)
 *   read      reads the records after the position, in order, without a gap
 *   work      does the work of batches; each batch moves the position together with its work
 *
 * After any failure (the store is away, a connection is lost in the middle of a commit, NATS is away) the follower begins again
 * at the claim, after a pause. The claim waits for a transaction that may still be in progress, and the position that it reads
 * is the only truth about the finished work. The records wait in the log.
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

/** The progress of a follower in a partition. */
export interface FollowerProgress {
  /** The number of its claim: a store refuses the work of a follower with a lower number. */
  claim: number;
  /** Log position up to which everything is done; -1: nothing. */
  position: number;
  /** Events done since the process began. */
  done: number;
}

/** The follower of one partition. */
export interface Followed {
  readonly progress: FollowerProgress;
  start(): void;
  /** Finishes the batch under way. */
  stop(): Promise<void>;
}

/** The work of a follower on the events. */
export interface FollowerWork {
  /** Fences every former follower of the partition. @returns the claim, and the position from which to continue */
  claim(partition: number): Promise<Pick<FollowerProgress, "claim" | "position">>;
  /**
   * Does the work of a batch and stores its end as the position in the same step; then moves `progress`.
   * @throws an error after which only the stored position tells whether the batch is done
   */
  work(batch: FollowedBatch, progress: FollowerProgress): Promise<void>;
  /** Classifies an error of `claim` or `work`: another follower has claimed the partition, or the store is away. */
  judge(error: unknown): "fenced" | "away" | "fault";
}

export interface PartitionFollowerOptions extends FollowerWork {
  bus: Bus;
  partition: number;
  logger: Logger;
}

export class PartitionFollower implements Followed {
  readonly progress: FollowerProgress = { claim: 0, position: -1, done: 0 };
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

  /** Claims, then reads and works until stop() or an error of either side. */
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
    if (kind === "away")
      logger.warn({ partition, pauseMs, err: error }, "the store is away; the records wait in the log");
    else if (error instanceof Error)
      logger.error(
        { partition, pauseMs, err: error },
        "following a partition failed; the follower begins again after a pause",
      );
    return pauseMs;
  }
}
