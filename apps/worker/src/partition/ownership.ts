/**
 * Which partitions this worker owns, and how they change hands.
 *
 * The assignment (ring with bounded load over the workers in view) says who should own a partition. It is a wish:
 * two workers may both believe it is theirs for a while, and the log decides. So the order is
 * - assigned and not owned: the worker folds the log while the owner before still works, then asks that owner to release
 *   the partition (unless it is suspected or gone), then takes over;
 * - owned and not assigned: the worker goes on until its successor asks, which may just have started and have much to do
 *   first; then it finishes the round, appends a release record and lets go. Without being asked it lets go after 3 s;
 * - to be assigned, because the owner's heartbeat was missed: the worker folds the log early. If the owner comes back, the
 *   folded state is dropped.
 * A worker takes a partition whose hand-over is not done in 5 s, and the partition of a suspect at once; but not while records
 * of the owner come. When a link carries one direction only, two healthy workers suspect each other, and each would take from
 * the other what that one has just taken: the log shows both which of them is at work. Where nothing is written the log cannot
 * tell; there a worker that lost a partition leaves it alone, longer each time.
 */
import { guarded, settlesWithin, sleep } from "@carillon/base";
import { type Bus, type OwnerState, PartitionLost } from "@carillon/bus";
import type { WorkerPorts } from "../ports";
import { AT_WORK_MS, STOPPING } from "../timings";
import type { PartitionState } from "./state";

const CHECK_MS = 200;
const HAND_OVER_MS = 5_000;
const HAND_OVER_POLL_MS = 25;
/** How often a living owner is asked for the partition: it may see the assignment later than its successor. */
const ASK_MS = 200;
/** How long an owner to whom a partition is no longer assigned goes on without being asked for it. */
const UNASKED_MS = 3_000;
/** How long a worker that lost a partition to another leaves it alone; twice as long each time that it loses it again. */
const LOST_WAIT_MS = 1_000;
const MOST_LOST_WAIT_MS = 32_000;
/** How often a worker that leaves a partition alone looks whether the other is there, ms. */
const LOOK_MS = 500;
/** A worker that has owned a partition for so long has not lost it for the same reason as before. */
const SETTLED_MS = 60_000;

/** The last owner of a partition, by the last record of the log. */
export interface FormerOwner {
  boot: string;
  released: boolean;
  /** Sequence of that record. */
  seq: number;
  /** Time since it was stored, ms, by the cluster's clock. */
  ageMs: number;
}

/** The steps by which a partition changes hands. */
export interface PartitionSteps {
  /** Asks the present owner to release it; no answer is no harm. */
  askRelease(partition: number): Promise<void>;
  formerOwner(partition: number): Promise<FormerOwner | undefined>;
  /** Folds the log for a take-over that comes soon. */
  foldEarly(partition: number): Promise<PartitionState>;
  /** Takes the partition over; throws PartitionLost when another worker was faster. */
  take(partition: number, early: PartitionState | undefined, onLost: () => void): Promise<OwnedPartition>;
  /** A partition cannot be taken over, for a reason that operators should see. */
  report(partition: number, trouble: string): void;
}

export interface OwnedPartition {
  /** Finishes the work and appends a release record. */
  release(): Promise<void>;
  /** Stops at once: another owns the partition. */
  abandon(): Promise<void>;
  /** Where it stands, for people and tools. */
  describe(): OwnerState;
}

export class Ownership {
  private readonly owned = new Map<number, OwnedPartition>();
  /** Since when partitions are owned that are assigned to others. */
  private readonly unwanted = new Map<number, number>();
  /** Logs folded for take-overs that have not begun. */
  private readonly early = new Map<number, Promise<PartitionState | undefined>>();
  /** Partitions that are being taken, released or given up. */
  private readonly busy = new Map<number, Promise<void>>();
  /** How often partitions were lost in a row, and when last; see patienceFor. */
  private readonly losses = new Map<number, { count: number; at: number }>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly ports: Pick<WorkerPorts, "partitions" | "boot" | "placement"> & { bus: Pick<Bus, "logger"> },
    private readonly steps: PartitionSteps,
  ) {}

  /** Numbers of the partitions owned. */
  get partitions(): number[] {
    return [...this.owned.keys()].sort((a, b) => a - b);
  }

  /** Where the owned partitions stand. */
  states(): (OwnerState & { partition: number })[] {
    return [...this.owned].map(([partition, owned]) => ({ partition, ...owned.describe() }));
  }

  start(): void {
    this.timer = setInterval(
      guarded("timer", () => this.check()),
      CHECK_MS,
    );
    this.check();
  }

  /** Compares wish and reality; called by the timer and when the view changes. */
  check(): void {
    if (this.stopping.signal.aborted) return;
    for (let partition = 0; partition < this.ports.partitions; partition++) {
      if (this.busy.has(partition)) continue;
      const mine = this.ports.placement.isMine(partition);
      const owned = this.owned.has(partition);
      if (mine && !owned) this.work(partition, () => this.acquire(partition));
      if (!mine && owned) this.keepForSuccessor(partition);
      else this.unwanted.delete(partition);
      if (!mine && !owned) this.prepare(partition);
    }
  }

  /** The successor of a partition is ready to take it. */
  handOver(partition: number): void {
    if (this.busy.has(partition) || !this.owned.has(partition) || this.ports.placement.isMine(partition)) return;
    this.unwanted.delete(partition);
    this.work(partition, () => this.release(partition));
  }

  /** Releases all partitions: those that have a successor when it asks, the others at once. */
  async stop(): Promise<void> {
    const { placement } = this.ports;
    const deadline = performance.now() + STOPPING.handOverMs;
    const hasSuccessor = (partition: number) => placement.hasSuccessor(partition);
    while (this.partitions.some(hasSuccessor) && performance.now() < deadline) await sleep(HAND_OVER_POLL_MS);
    this.stopping.abort();
    clearInterval(this.timer);
    await Promise.all(this.partitions.map((partition) => this.release(partition)));
    // A take-over that is under way sees the stop and releases what it took.
    await settlesWithin(Promise.allSettled(this.busy.values()), STOPPING.takeOverMs);
  }

  private keepForSuccessor(partition: number): void {
    const since = this.unwanted.get(partition);
    if (since === undefined) this.unwanted.set(partition, performance.now());
    else if (performance.now() - since >= UNASKED_MS) this.handOver(partition);
  }

  private prepare(partition: number): void {
    if (this.ports.placement.willBeMine(partition)) void this.foldEarly(partition);
    else this.early.delete(partition);
  }

  private foldEarly(partition: number): Promise<PartitionState | undefined> {
    let early = this.early.get(partition);
    if (early === undefined) {
      early = this.steps.foldEarly(partition).catch(() => undefined);
      this.early.set(partition, early);
    }
    return early;
  }

  private work(partition: number, job: () => Promise<void>): void {
    const working = job()
      .catch(async (err: Error) => {
        const { logger } = this.ports.bus;
        const { report } = this.steps;
        if (err instanceof PartitionLost) logger.info({ partition }, "another worker took the partition");
        else {
          logger.error({ partition, err }, "a partition cannot be taken over, tried again");
          report(partition, err.message);
        }
        const waitMs = err instanceof TakenAway ? err.waitMs : LOST_WAIT_MS;
        await this.leaveAlone(partition, waitMs * (1 + Math.random()));
      })
      .finally(() => this.busy.delete(partition));
    this.busy.set(
      partition,
      working.then(() => {}),
    );
  }

  /**
   * When one of two workers does not hear the other, both believe that a partition is theirs, and they would take it from each
   * other for as long as that lasts. So the worker that loses it waits, longer each time, and the other one serves meanwhile.
   */
  private patienceFor(partition: number): number {
    const { count = 0, at = Number.NEGATIVE_INFINITY } = this.losses.get(partition) ?? {};
    const now = performance.now();
    const inARow = now - at < SETTLED_MS + MOST_LOST_WAIT_MS ? count + 1 : 1;
    this.losses.set(partition, { count: inARow, at: now });
    return Math.min(MOST_LOST_WAIT_MS, LOST_WAIT_MS * 2 ** (inARow - 1));
  }

  /** A worker that has left the cluster does not serve: no partition stays with it. */
  private async leaveAlone(partition: number, ms: number): Promise<void> {
    const { signal } = this.stopping;
    await sleep(Math.min(ms, 2 * LOST_WAIT_MS), signal);
    for (let left = ms - 2 * LOST_WAIT_MS; left > 0 && !signal.aborted; left -= LOOK_MS) {
      const other = await this.steps.formerOwner(partition).catch(() => undefined);
      if (other === undefined || other.released || !this.ports.placement.isPresent(other.boot)) return;
      await sleep(Math.min(left, LOOK_MS), signal);
    }
  }

  private async acquire(partition: number): Promise<void> {
    const { placement, bus } = this.ports;
    await this.awaitFormerOwner(partition);
    const early = await this.early.get(partition);
    this.early.delete(partition);
    if (this.stopping.signal.aborted || !placement.isMine(partition)) return;
    const startedAt = performance.now();
    let isLost = false;
    const owned = await this.steps.take(partition, early, () => {
      isLost = true;
      this.lose(partition);
    });
    if (isLost) {
      await owned.abandon();
      throw new PartitionLost(partition);
    }
    this.owned.set(partition, owned);
    bus.logger.info({ partition, ms: Math.round(performance.now() - startedAt) }, "partition taken over");
    if (this.stopping.signal.aborted) await this.release(partition);
  }

  private async awaitFormerOwner(partition: number): Promise<void> {
    const { placement, boot } = this.ports;
    const pace = new Pace();
    let deadline = performance.now() + HAND_OVER_MS;
    let askedAt = Number.NEGATIVE_INFINITY;
    while (placement.isMine(partition) && !this.stopping.signal.aborted) {
      const former = await this.steps.formerOwner(partition);
      if (former === undefined || former.released || former.boot === boot) return;
      const now = performance.now();
      if (pace.isAtWork(former, now)) deadline = now + HAND_OVER_MS;
      else if (!placement.isAlive(former.boot) || now >= deadline) return;
      await this.foldEarly(partition);
      if (performance.now() - askedAt >= ASK_MS) {
        askedAt = performance.now();
        void this.steps.askRelease(partition).catch(() => {});
      }
      await sleep(HAND_OVER_POLL_MS, this.stopping.signal);
    }
  }

  private async release(partition: number): Promise<void> {
    const owned = this.owned.get(partition);
    this.owned.delete(partition);
    await owned?.release();
    if (owned !== undefined) this.ports.bus.logger.info({ partition }, "partition released");
  }

  private lose(partition: number): void {
    const owned = this.owned.get(partition);
    if (owned === undefined) return;
    this.owned.delete(partition);
    this.ports.bus.logger.warn({ partition }, "partition lost");
    this.work(partition, async () => {
      await owned.abandon();
      throw new TakenAway(partition, this.patienceFor(partition));
    });
  }
}

/** Whether records of an owner arrive: judged by their age at first, then by arrival, since clocks may differ. */
class Pace {
  private last: { seq: number; at: number } | undefined;

  isAtWork({ seq, ageMs }: FormerOwner, now: number): boolean {
    if (this.last?.seq !== seq) this.last = { seq, at: this.last === undefined ? now - Math.max(0, ageMs) : now };
    return now - this.last.at < AT_WORK_MS;
  }
}

/** A partition that was owned has another owner. */
class TakenAway extends PartitionLost {
  /** @param waitMs how long it is left to the other */
  constructor(
    partition: number,
    readonly waitMs: number,
  ) {
    super(partition);
  }
}
