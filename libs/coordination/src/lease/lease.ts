/**
 * A named lease for jobs that should run once: liveness, not mutual exclusion. Its holder may be paused, lose it
 * without knowing and go on for a moment, while another has it. What must never be done twice needs a fence of its
 * own (the epoch may serve as one, in the same transaction as the work).
 *
 * The bucket has no ttl, so that the epoch outlives the holder. That a holder is dead is seen by each candidate itself:
 * a revision that did not change for `ttlMs` of the candidate's monotonic clock. No clocks are compared.
 */
import { guarded } from "@carillon/base";
import { type Bucket, type Entry, RevisionConflict } from "../kv/bucket";
import { Listeners } from "../listeners";
import type { Logger } from "../logger";

export interface LeaseOptions {
  /** Without renewal for so long others may take it, ms; all candidates must agree. Default 10 s. */
  ttlMs?: number;
  /** Default: a quarter of the ttl. */
  renewMs?: number;
}

interface LeaseRecord {
  /** Empty: released. */
  holder: string;
  epoch: number;
}

const DEFAULT_TTL_MS = 10_000;

export class Lease {
  private readonly ttlMs: number;
  private readonly renewMs: number;
  private readonly listeners = new Listeners();
  private revision = 0;
  private heldEpoch = 0;
  private heldUntil = Number.NEGATIVE_INFINITY;
  private isHolding = false;
  /** Revision of another holder, and since when it is known. */
  private observed = { revision: 0, since: 0 };
  private timer: NodeJS.Timeout | undefined;
  private lossTimer: NodeJS.Timeout | undefined;

  /** @internal */
  constructor(
    private readonly bucket: Bucket,
    readonly name: string,
    readonly holder: string,
    private readonly logger: Logger,
    options: LeaseOptions = {},
  ) {
    this.ttlMs = options.ttlMs ?? DEFAULT_TTL_MS;
    this.renewMs = options.renewMs ?? this.ttlMs / 4;
  }

  /** Whether it was renewed within its ttl. */
  get held(): boolean {
    return this.isHolding && performance.now() < this.heldUntil;
  }

  /** Number of this holding: higher than that of every holder before; 0 before the first. */
  get epoch(): number {
    return this.heldEpoch;
  }

  /** Told once when it is lost without `release`. @returns ends the telling */
  onLost(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /**
   * Tries to get it, once; call it again from time to time. After the death of a holder it is got by the first try
   * that comes a ttl after an earlier one.
   * @returns whether it is held
   * @throws Error when NATS does not answer
   */
  async acquire(): Promise<boolean> {
    if (this.held) return true;
    // Run out, but its timer is late: this process was stalled.
    if (this.isHolding) this.lose();
    const entry = await this.read();
    const record = readRecord(entry);
    const isOwn = record.holder === this.holder;
    if (record.holder !== "" && !isOwn && !this.isAbandoned(entry!.revision)) return false;
    // An own record is that of a write whose answer was lost.
    const taken = await this.write({ holder: this.holder, epoch: record.epoch + 1 }, entry?.revision ?? 0);
    if (!taken) return false;
    this.heldEpoch = record.epoch + 1;
    this.isHolding = true;
    this.schedule();
    return true;
  }

  /** Gives it back: the next candidate gets it at once. */
  async release(): Promise<void> {
    if (!this.isHolding) return;
    this.end();
    const free: LeaseRecord = { holder: "", epoch: this.heldEpoch };
    const give = async () => {
      const isFree = await this.write(free, this.revision);
      // A renewal may have been on its way.
      if (!isFree && (await this.adopt(this.heldEpoch))) await this.write(free, this.revision);
    };
    await give().catch((err: unknown) => {
      this.logger.debug({ err, lease: this.name }, "the lease could not be released, it will run out");
    });
  }

  /** Stops renewing. @internal */
  end(): void {
    this.isHolding = false;
    clearTimeout(this.timer);
    clearTimeout(this.lossTimer);
  }

  /** The bucket may have been deleted; if it was NATS that failed, this throws as well. */
  private read(): Promise<Entry | undefined> {
    return this.bucket.read(this.name).catch(async () => {
      await this.bucket.ensure();
      return this.bucket.read(this.name);
    });
  }

  private isAbandoned(revision: number): boolean {
    const now = performance.now();
    if (this.observed.revision !== revision) this.observed = { revision, since: now };
    return now - this.observed.since >= this.ttlMs;
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(
      guarded("timer", () => this.renew()),
      this.renewMs,
    );
  }

  private async renew(): Promise<void> {
    const epoch = this.heldEpoch;
    try {
      const isRenewed = await this.write({ holder: this.holder, epoch }, this.revision);
      if (!this.isHolding || this.heldEpoch !== epoch) return;
      if (!isRenewed && !(await this.adopt(epoch))) return this.lose();
    } catch (err) {
      this.logger.debug({ err, lease: this.name }, "the lease could not be renewed");
      await this.bucket.ensure().catch(() => {});
    }
    if (this.isHolding && this.heldEpoch === epoch) this.schedule();
  }

  /** After a refusal: the newest may be our own write whose answer was lost. */
  private async adopt(epoch: number): Promise<boolean> {
    const entry = await this.bucket.read(this.name);
    const record = readRecord(entry);
    if (record.holder !== this.holder || record.epoch !== epoch) return false;
    this.revision = entry!.revision;
    return true;
  }

  /** @returns false when another wrote before */
  private async write(record: LeaseRecord, revision: number): Promise<boolean> {
    const sentAt = performance.now();
    const value = JSON.stringify(record);
    try {
      this.revision =
        revision === 0
          ? await this.bucket.create(this.name, value)
          : await this.bucket.update(this.name, value, revision);
    } catch (error) {
      if (error instanceof RevisionConflict) return false;
      throw error;
    }
    this.heldUntil = sentAt + this.ttlMs;
    clearTimeout(this.lossTimer);
    if (record.holder !== "") this.checkLossIn(this.ttlMs);
    return true;
  }

  private checkLoss(): void {
    if (!this.isHolding) return;
    const left = this.heldUntil - performance.now();
    if (left <= 0) this.lose();
    else this.checkLossIn(left + 1);
  }

  private checkLossIn(ms: number): void {
    this.lossTimer = setTimeout(
      guarded("timer", () => this.checkLoss()),
      ms,
    );
  }

  private lose(): void {
    this.end();
    this.logger.warn({ lease: this.name }, "a lease is lost");
    this.listeners.tell();
  }
}

function readRecord(entry: Entry | undefined): LeaseRecord {
  if (entry === undefined || entry.ended !== undefined) return { holder: "", epoch: 0 };
  return JSON.parse(entry.value) as LeaseRecord;
}
