/**
 * The way of a partition's records into MySQL, and out of the log:
 *
 *   claim        fence every former archiver of the partition; learn the position      (MySQL)
 *   read         records behind the position, in order, without a hole                 read/
 *   write        batches, each with the position in one transaction                    write/
 *   purge        what is archived, fanned out and old enough leaves the log            purge/
 *
 * Whatever goes wrong on the way (MySQL away, connection lost in mid-commit, NATS away), the journey begins again
 * at the claim after a pause: the claim waits for a transaction that may still be under way, and what it reads is
 * the only truth about what was written. The records wait in the log.
 */
import { Backoff, guarded, sleep } from "@carillon/base";
import { failPoint, type Logger, traceOf } from "@carillon/base/node";
import { type Bus, putEventAside, recordSeqOf } from "@carillon/bus";
import { type Event, encodeEvent } from "@carillon/protocol";
import { ArchiveFenced, type ArchiveWriter, isStoreUnavailable } from "@carillon/store";
import { purgePartition } from "./purge/purge";
import { checkLogFits, RecordReader } from "./read/read-records";
import { RecordBuffer } from "./read/record-buffer";
import { type ArchiveState, writeBatches } from "./write/write-batches";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const FENCED_PAUSE_MS = 1_000;
const PURGE_EVERY_MS = 30_000;

export interface JourneyOptions {
  bus: Bus;
  partition: number;
  archive: ArchiveWriter;
  logger: Logger;
  replayWindowMs: number;
  purgeEveryMs?: number;
}

export class PartitionJourney {
  readonly state: ArchiveState = { epoch: 0, position: -1, written: 0 };
  private readonly backoff = new Backoff({ first: FIRST_PAUSE_MS, most: LONGEST_PAUSE_MS });
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private purgeTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: JourneyOptions) {}

  start(): void {
    this.running = this.run();
    this.purgeTimer = setInterval(
      guarded("timer", () => this.purge()),
      this.options.purgeEveryMs ?? PURGE_EVERY_MS,
    );
  }

  /** Finishes the batch under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.purgeTimer);
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const before = this.state.position;
      const error = await this.archiveUntilFault().catch((fault: unknown) => fault);
      if (signal.aborted) return;
      if (this.state.position > before) this.backoff.reset();
      await sleep(this.pauseAfter(error), signal);
    }
  }

  /** Claims, then reads and writes until stop() or a fault of either side. */
  private async archiveUntilFault(): Promise<void> {
    const { bus, partition, archive } = this.options;
    const { signal } = this.stopping;
    Object.assign(this.state, await archive.claim(partition));
    const archived = Math.max(0, recordSeqOf(this.state.position));
    await checkLogFits(bus, partition, archived);
    if (signal.aborted) return;
    const buffer = new RecordBuffer();
    const reader = new RecordReader(bus, partition, buffer);
    const end = () => {
      buffer.close();
      reader.stop();
    };
    signal.addEventListener("abort", end);
    try {
      const reading = reader.run(archived + 1).finally(end);
      const { state, putAside } = this;
      const trace = traceOf(this.options.logger);
      const writing = writeBatches({ archive, partition, state, putAside, trace }, buffer).finally(end);
      const faults = (await Promise.allSettled([writing, reading])).flatMap((result) =>
        result.status === "rejected" ? [result.reason as Error] : [],
      );
      if (faults.length > 0) throw faults[0];
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  private readonly putAside = async (event: Event, reason: string): Promise<void> => {
    const { bus, partition, logger } = this.options;
    const { conversationId, seq } = event;
    logger.error({ partition, conversationId, seq, reason }, "MySQL refuses the content of an event, it is put aside");
    await putEventAside(bus, { partition, event: encodeEvent(event), reason, id: `${conversationId}-${seq}` });
  };

  private pauseAfter(error: unknown): number {
    const { logger, partition } = this.options;
    if (error instanceof ArchiveFenced) {
      logger.info({ partition }, "another archiver has claimed the partition");
      return FENCED_PAUSE_MS * (1 + Math.random());
    }
    const pauseMs = this.backoff.next();
    if (isStoreUnavailable(error)) logger.warn({ partition, pauseMs, err: error }, "MySQL is away, the log waits");
    else if (error instanceof Error) logger.error({ partition, pauseMs, err: error }, "a partition is not archived");
    return pauseMs;
  }

  private async purge(): Promise<void> {
    const { bus, partition, logger, replayWindowMs } = this.options;
    try {
      failPoint("purge.before");
      const purged = await purgePartition(bus, partition, this.state.position, replayWindowMs);
      failPoint("purge.after");
      if (purged > 0) logger.debug({ partition, purged }, "records left the log");
    } catch (err) {
      logger.warn({ partition, err }, "the log is purged later");
    }
  }
}
