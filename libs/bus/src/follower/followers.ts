/** The partitions that this process follows by the present assignment. */
import { guarded } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import type { Bus } from "../connection";
import { recordSeqOf } from "../envelopes/log-records";
import { readLogState } from "../log/log-reader";
import type { Followed, FollowerProgress } from "./partition-follower";

const CHECK_MS = 500;
const REPORT_MS = 5_000;

/** The state of a partition for operators. */
export interface FollowerReport extends Pick<FollowerProgress, "position"> {
  /** The follower's claim, under the key of the partition board. */
  epoch: number;
  /** Records in the log that are not done yet. */
  lag: number;
}

export interface FollowersOptions {
  bus: Bus;
  logger: Logger;
  partitions: number;
  /** Whether the present view assigns the partition to this process. */
  isMine(partition: number): boolean;
  open(partition: number): Followed;
  report(partition: number, report: FollowerReport): Promise<void>;
}

export class Followers {
  private readonly followed = new Map<number, Followed>();
  /** Followers that finish their last batch; a partition begins again only after that. */
  private readonly ending = new Map<number, Promise<void>>();
  private readonly lags = new Map<number, number>();
  private timers: NodeJS.Timeout[] = [];
  private finished = 0;

  constructor(private readonly options: FollowersOptions) {}

  start(): void {
    const check = guarded("timer", () => this.check());
    const report = guarded("timer", () => this.reportAll());
    this.timers = [setInterval(check, CHECK_MS), setInterval(report, REPORT_MS)];
    this.check();
  }

  /** Compares the assignment with the followers; the timer calls it, and each change of the view. */
  check(): void {
    const { partitions, isMine, open, logger } = this.options;
    if (this.timers.length === 0) return;
    for (let partition = 0; partition < partitions; partition++) {
      const one = this.followed.get(partition);
      const mine = isMine(partition);
      if (mine && one === undefined && !this.ending.has(partition)) {
        const opened = open(partition);
        this.followed.set(partition, opened);
        opened.start();
        logger.info({ partition }, "following a partition");
      }
      if (!mine && one !== undefined) this.end(partition, one);
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    for (const [partition, one] of this.followed) this.end(partition, one);
    await Promise.all(this.ending.values());
  }

  /** Numbers that show how busy this process is. */
  load(): Record<string, number> {
    const followed = [...this.followed.values()];
    return {
      partitions: followed.length,
      lag: [...this.lags.values()].reduce((sum, lag) => sum + lag, 0),
      written: followed.reduce((sum, { progress }) => sum + progress.done, this.finished),
    };
  }

  private end(partition: number, one: Followed): void {
    this.followed.delete(partition);
    this.lags.delete(partition);
    const ended = one.stop().finally(() => {
      this.finished += one.progress.done;
      this.ending.delete(partition);
    });
    this.ending.set(partition, ended);
  }

  private async reportAll(): Promise<void> {
    const { bus, report, logger } = this.options;
    for (const [partition, { progress }] of [...this.followed]) {
      try {
        const { lastRecord } = await readLogState(bus, partition);
        const lag = Math.max(0, lastRecord - Math.max(0, recordSeqOf(progress.position)));
        if (!this.followed.has(partition)) continue;
        this.lags.set(partition, lag);
        await report(partition, { epoch: progress.claim, position: progress.position, lag });
      } catch (err) {
        logger.debug({ partition, err }, "the state of a partition could not be published");
      }
    }
  }
}
