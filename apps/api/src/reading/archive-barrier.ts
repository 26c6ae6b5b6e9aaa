/**
 * A list from MySQL must contain every message that was acknowledged before the question, and the archive is a moment behind the
 * log. The barrier reads where the logs end, then waits until the archive has come so far. One look serves all readers that asked
 * before it began; a reader that asks while a look is under way waits for the next.
 *
 * A partition whose archive stands still does not stop every reader: the barrier waits for it once, and then names it. A reader
 * whose inbox has received nothing of the missing part continues without that partition.
 */
import { sleep } from "@carillon/base";
import { type Bus, endOfRecord, readLogState, readRecordTime, recordSeqOf } from "@carillon/bus";
import type { FactQueries, InboxReach } from "@carillon/store";

const WAIT_MS = 2_000;
const POLL_MS = 25;
/** Maximum time from the log to the inboxes while Redis answers, ms. */
const FAN_OUT_MS = 5_000;

export interface BarrierFacts {
  /** Log position of the end of each partition's log, by partition. */
  logEnds(): Promise<number[]>;
  archivePositions: FactQueries["archivePositions"];
  /** When the first record after an archive position was stored, ms; undefined: there is none. */
  firstMissingAt(partition: number, archived: number): Promise<number | undefined>;
}

/** A partition whose archive did not come to the end of its log in time. */
interface Behind {
  partition: number;
  /** Log position of the archive. */
  archived: number;
}

export class ArchiveBarrier {
  private running: Promise<Behind[]> = Promise.resolve([]);
  private next: Promise<Behind[]> | undefined;
  /** Partitions for which the barrier waited in vain, with the position at which their archive stands. */
  private readonly still = new Map<number, number>();

  constructor(
    private readonly facts: BarrierFacts,
    private readonly waitMs = WAIT_MS,
  ) {}

  /** @returns false when the archive did not come so far in 2 s; rejects when MySQL or NATS are away */
  async passed(): Promise<boolean> {
    return (await this.behind()).length === 0;
  }

  /**
   * As `passed`, for a reader whose inbox gets the events that follow the list.
   * @param reach the log positions up to which the inbox has received events
   */
  async passedFor(reach: InboxReach): Promise<boolean> {
    for (const { partition, archived } of await this.behind()) {
      if ((reach.positions.get(partition) ?? -1) > archived) return false;
      // Nothing else of that partition was put into the inbox since it began. Earlier records of the log may be missing.
      const missingAt = await this.facts.firstMissingAt(partition, archived);
      if (missingAt !== undefined && missingAt <= reach.begunAt + FAN_OUT_MS) return false;
    }
    return true;
  }

  private behind(): Promise<Behind[]> {
    this.next ??= this.after(this.running);
    return this.next;
  }

  private async after(before: Promise<Behind[]>): Promise<Behind[]> {
    const found = await before.catch(() => []);
    this.next = undefined;
    // An archive that stands still does so for the readers that waited behind as well.
    this.running = found.length === 0 ? this.run() : Promise.resolve([]);
    return found.length === 0 ? this.running : found;
  }

  private async run(): Promise<Behind[]> {
    const ends = await this.facts.logEnds();
    const deadline = performance.now() + this.waitMs;
    while (true) {
      const positions = await this.facts.archivePositions();
      const behind = ends.flatMap((end, partition): Behind[] => {
        const archived = positions.get(partition)?.position ?? -1;
        return archived >= end ? [] : [{ partition, archived }];
      });
      const moves = behind.filter(({ partition, archived }) => this.still.get(partition) !== archived);
      if (moves.length > 0 && performance.now() < deadline) {
        await sleep(POLL_MS);
        continue;
      }
      this.still.clear();
      for (const { partition, archived } of behind) this.still.set(partition, archived);
      return behind;
    }
  }
}

/** When the first record after an archive position was stored, ms. */
export async function readFirstMissing(bus: Bus, partition: number, archived: number): Promise<number | undefined> {
  return readRecordTime(bus, partition, Math.max(0, recordSeqOf(archived)) + 1);
}

/** Where the logs of all partitions end; -1 for one that is empty. */
export async function readLogEnds(bus: Bus, partitions: number): Promise<number[]> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const states = await Promise.all(numbers.map((partition) => readLogState(bus, partition)));
  return states.map(({ lastRecord }) => (lastRecord === 0 ? -1 : endOfRecord(lastRecord)));
}
