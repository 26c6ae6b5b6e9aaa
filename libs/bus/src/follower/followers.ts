/** The partitions that this process follows, by the assignment of the moment. */
import { guarded } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import type { Bus } from "../connection";
import { recordSeqOf } from "../envelopes/log-records";
import { readLogState } from "../log/log-reader";
import type { Followed, FollowerProgress } from "./partition-follower";

const CHECK_MS = 500;
const REPORT_MS = 5_000;

/** What operators see of a partition. */
export interface FollowerReport extends Pick<FollowerProgress, "epoch" | "position"> {
  /** Records that are in the log and not done yet. */
  lag: number;
}

export interface FollowersOptions {
  bus: Bus;
  logger: Logger;
  partitions: number;
  /** Whether the partition is assigned to this process by the view of now. */
  isMine(partition: number): boolean;
  open(partition: number): Followed;
  report(partition: number, report: FollowerReport): Promise<void>;
}

export class Followers {
  private readonly followed = new Map<number, Followed>();
  /** Those that finish their last batch; a partition begins again only after that. */
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

  /** Compares wish and reality; called by the timer and when the view changes. */
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

  /** Numbers that tell how busy this process is. */
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
        const { lastSeq } = await readLogState(bus, partition);
        const lag = Math.max(0, lastSeq - Math.max(0, recordSeqOf(progress.position)));
        if (!this.followed.has(partition)) continue;
        this.lags.set(partition, lag);
        await report(partition, { epoch: progress.epoch, position: progress.position, lag });
      } catch (err) {
        logger.debug({ partition, err }, "the state of a partition is not shown");
      }
    }
  }
}
