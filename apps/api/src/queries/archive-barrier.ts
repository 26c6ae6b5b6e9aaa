/**
 * A list from MySQL must not miss what was acknowledged before it was asked for, and the archive is a moment behind
 * the log. The barrier looks where the logs end, then waits until the archive has come so far. One look serves all
 * who asked before it began; who asks while it is under way waits for the next.
 */
import { sleep } from "@carillon/base";
import { type Bus, endOfRecord, readLogState } from "@carillon/bus";
import type { FactQueries } from "@carillon/store";

const WAIT_MS = 2_000;
const POLL_MS = 25;

export interface BarrierFacts {
  /** Log position of the end of each partition's log, by partition. */
  logEnds(): Promise<number[]>;
  archivePositions: FactQueries["archivePositions"];
}

export class ArchiveBarrier {
  private running: Promise<boolean> = Promise.resolve(true);
  private next: Promise<boolean> | undefined;

  constructor(
    private readonly facts: BarrierFacts,
    private readonly waitMs = WAIT_MS,
  ) {}

  /** @returns false when the archive did not come so far in 2 s; rejects when MySQL or NATS are away */
  passed(): Promise<boolean> {
    this.next ??= this.after(this.running);
    return this.next;
  }

  private async after(before: Promise<boolean>): Promise<boolean> {
    // An archive that is stuck is stuck for those who waited behind as well.
    const passed = await before.catch(() => true);
    this.next = undefined;
    this.running = passed ? this.run() : Promise.resolve(true);
    return passed ? this.running : false;
  }

  private async run(): Promise<boolean> {
    const ends = await this.facts.logEnds();
    const deadline = performance.now() + this.waitMs;
    while (true) {
      const positions = await this.facts.archivePositions();
      if (ends.every((end, partition) => (positions.get(partition)?.position ?? -1) >= end)) return true;
      if (performance.now() >= deadline) return false;
      await sleep(POLL_MS);
    }
  }
}

/** Where the logs of all partitions end; -1 for one that is empty. */
export async function readLogEnds(bus: Bus, partitions: number): Promise<number[]> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const states = await Promise.all(numbers.map((partition) => readLogState(bus, partition)));
  return states.map(({ lastSeq }) => (lastSeq === 0 ? -1 : endOfRecord(lastSeq)));
}
