/**
 * The way of a partition's records into MySQL, and out of the log:
 *
 *   claim, read  the follower of libs/bus fences every former archiver and reads from the position on, without a gap
 *   write        writes batches, each with the position in one transaction             write/
 *   purge        deletes log records that are archived, fanned out and old enough      purge/
 */
import { guarded } from "@carillon/base";
import { failPoint, type Logger, traceOf } from "@carillon/base/node";
import { type Bus, type Followed, type FollowerProgress, PartitionFollower, putEventAside } from "@carillon/bus";
import { type Event, encodeEvent } from "@carillon/protocol";
import { ArchiveFenced, type ArchiveWriter, isStoreUnavailable } from "@carillon/store";
import { purgePartition } from "./purge/purge";
import { writeBatch } from "./write/write-batch";

const PURGE_EVERY_MS = 30_000;

export interface JourneyOptions {
  bus: Bus;
  partition: number;
  archive: ArchiveWriter;
  logger: Logger;
  replayWindowMs: number;
  purgeEveryMs?: number;
}

export class PartitionJourney implements Followed {
  private readonly follower: PartitionFollower;
  private purgeTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: JourneyOptions) {
    const { bus, partition, archive, logger } = options;
    const writing = { archive, partition, putAside: this.putAside, trace: traceOf(logger) };
    this.follower = new PartitionFollower({
      ...{ bus, partition, logger },
      claim: () => archive.claim(partition),
      work: (batch, progress) => writeBatch(writing, batch, progress),
      judge: (error) => {
        if (error instanceof ArchiveFenced) return "fenced";
        return isStoreUnavailable(error) ? "away" : "fault";
      },
    });
  }

  get progress(): FollowerProgress {
    return this.follower.progress;
  }

  start(): void {
    this.follower.start();
    this.purgeTimer = setInterval(
      guarded("timer", () => this.purge()),
      this.options.purgeEveryMs ?? PURGE_EVERY_MS,
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.purgeTimer);
    await this.follower.stop();
  }

  private readonly putAside = async (event: Event, reason: string): Promise<void> => {
    const { bus, partition, logger } = this.options;
    const { conversationId, seq } = event;
    logger.error(
      { partition, conversationId, seq, reason },
      "MySQL refuses the content of an event; the content becomes a dead letter",
    );
    await putEventAside(bus, { partition, event: encodeEvent(event), reason, id: `${conversationId}-${seq}` });
  };

  private async purge(): Promise<void> {
    const { bus, partition, logger, replayWindowMs } = this.options;
    try {
      failPoint("purge.before");
      const purged = await purgePartition(bus, partition, this.progress.position, replayWindowMs);
      failPoint("purge.after");
      if (purged > 0) logger.debug({ partition, purged }, "records were purged from the log");
    } catch (err) {
      logger.warn({ partition, err }, "the log could not be purged; the archiver tries again later");
    }
  }
}
