/**
 * A list from MySQL must not miss what was acknowledged before it was asked for, and the archive is a moment behind
 * the log. The barrier looks where the logs end, then waits until the archive has come so far. One look serves all
 * who asked before it began; who asks while it is under way waits for the next.
 *
 * One partition whose archive stands still does not stop everybody: it is waited for once, then it is named. A reader
 * whose inbox has had nothing that is missing there goes on without it.
 */
import { sleep } from "@carillon/base";
import { type Bus, endOfRecord, readLogState, readRecordTime, recordSeqOf } from "@carillon/bus";
import type { FactQueries, InboxReach } from "@carillon/store";

const WAIT_MS = 2_000;
const POLL_MS = 25;
/** An event is put into inboxes at most so long after the log has it, while Redis answers, ms. */
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
  /** Partitions that were waited for in vain, with the position at which their archive stands. */
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
   * As `passed`, for a reader whose inbox has what is said after the list was read.
   * @param reach what the inbox has had
   */
  async passedFor(reach: InboxReach): Promise<boolean> {
    for (const { partition, archived } of await this.behind()) {
      if ((reach.positions.get(partition) ?? -1) > archived) return false;
      // Nothing else of that partition was put into the inbox since it began. What the log took before may be missing.
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
    // An archive that is stuck is stuck for those who waited behind as well.
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
  return states.map(({ lastSeq }) => (lastSeq === 0 ? -1 : endOfRecord(lastSeq)));
}
