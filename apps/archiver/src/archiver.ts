/** The partitions of this archiver: by the assignment of the moment; main.ts gives it the connections to the world. */
import { guarded } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import { type Bus, readLogState, recordSeqOf } from "@carillon/bus";
import type { PartitionJourney } from "./journey";

const CHECK_MS = 500;
const REPORT_MS = 5_000;

/** What people see of a partition's archive. */
interface ArchiveReport {
  epoch: number;
  position: number;
  /** Records that are in the log and not yet in MySQL. */
  lag: number;
}

export interface ArchiverOptions {
  bus: Bus;
  logger: Logger;
  partitions: number;
  /** Whether the partition is assigned to this archiver by the view of now. */
  isMine(partition: number): boolean;
  openJourney(partition: number): PartitionJourney;
  report(partition: number, report: ArchiveReport): Promise<void>;
}

export class Archiver {
  private readonly journeys = new Map<number, PartitionJourney>();
  /** Journeys that finish their last batch; a partition begins again only after. */
  private readonly ending = new Map<number, Promise<void>>();
  private readonly lags = new Map<number, number>();
  private timers: NodeJS.Timeout[] = [];
  private finished = 0;

  constructor(private readonly options: ArchiverOptions) {}

  start(): void {
    const check = guarded("timer", () => this.check());
    const report = guarded("timer", () => this.reportAll());
    this.timers = [setInterval(check, CHECK_MS), setInterval(report, REPORT_MS)];
    this.check();
  }

  /** Compares wish and reality; called by the timer and when the view changes. */
  check(): void {
    const { partitions, isMine, openJourney, logger } = this.options;
    if (this.timers.length === 0) return;
    for (let partition = 0; partition < partitions; partition++) {
      const journey = this.journeys.get(partition);
      const mine = isMine(partition);
      if (mine && journey === undefined && !this.ending.has(partition)) {
        const opened = openJourney(partition);
        this.journeys.set(partition, opened);
        opened.start();
        logger.info({ partition }, "archiving a partition");
      }
      if (!mine && journey !== undefined) this.end(partition, journey);
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    for (const [partition, journey] of this.journeys) this.end(partition, journey);
    await Promise.all(this.ending.values());
  }

  /** Numbers that tell how busy this archiver is. */
  load(): Record<string, number> {
    const journeys = [...this.journeys.values()];
    return {
      partitions: journeys.length,
      lag: [...this.lags.values()].reduce((sum, lag) => sum + lag, 0),
      written: journeys.reduce((sum, { state }) => sum + state.written, this.finished),
    };
  }

  private end(partition: number, journey: PartitionJourney): void {
    this.journeys.delete(partition);
    this.lags.delete(partition);
    const ended = journey.stop().finally(() => {
      this.finished += journey.state.written;
      this.ending.delete(partition);
    });
    this.ending.set(partition, ended);
  }

  private async reportAll(): Promise<void> {
    const { bus, report, logger } = this.options;
    for (const [partition, { state }] of [...this.journeys]) {
      try {
        const { lastSeq } = await readLogState(bus, partition);
        const lag = Math.max(0, lastSeq - Math.max(0, recordSeqOf(state.position)));
        if (!this.journeys.has(partition)) continue;
        this.lags.set(partition, lag);
        await report(partition, { epoch: state.epoch, position: state.position, lag });
      } catch (err) {
        logger.debug({ partition, err }, "the state of a partition is not shown");
      }
    }
  }
}
