/**
 * A named lease for jobs that should run once. It gives liveness, not mutual exclusion: a paused holder may lose the lease
 * without knowing it and continue for a moment while another process has it. Work that must never be done twice needs a fence
 * of its own (the epoch can serve as one, in the same transaction as the work).
 *
 * The bucket has no ttl, so that the epoch outlives the holder. Each candidate detects a dead holder itself: the revision did
 * not change for `ttlMs` of the candidate's monotonic clock. No clocks are compared.
 */
import { guarded } from "@carillon/base";
import { type Bucket, type Entry, RevisionConflict } from "../kv/bucket";
import { Listeners } from "../listeners";
import type { Logger } from "../logger";

export interface LeaseOptions {
  /** Others may take the lease after this time without renewal, ms; all candidates must agree. Default 10 s. */
  ttlMs?: number;
  /** Time between two renewals, ms. Default: a quarter of the ttl. */
  renewMs?: number;
}

interface LeaseRecord {
  /** The holder; empty when the lease is released. */
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
  /** Revision of another holder, and the time since which it is known. */
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

  /** Whether this process holds the lease: it was renewed within its ttl. */
  get held(): boolean {
    return this.isHolding && performance.now() < this.heldUntil;
  }

  /** Number of this holding: higher than that of every earlier holder; 0 before the first. */
  get epoch(): number {
    return this.heldEpoch;
  }

  /** Calls the listener once when the lease is lost without `release`. @returns an unsubscribe function */
  onLost(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /**
   * Tries once to acquire the lease; call it again from time to time. After the death of a holder, the first try that comes a
   * ttl after an earlier try acquires it.
   * @returns whether this process holds it
   * @throws Error when NATS does not answer
   */
  async acquire(): Promise<boolean> {
    if (this.held) return true;
    // The lease has run out, but its timer is late: this process was stalled.
    if (this.isHolding) this.lose();
    const entry = await this.read();
    const record = readRecord(entry);
    const isOwn = record.holder === this.holder;
    if (record.holder !== "" && !isOwn && !this.isAbandoned(entry!.revision)) return false;
    // An own record comes from a write whose answer was lost.
    const taken = await this.write({ holder: this.holder, epoch: record.epoch + 1 }, entry?.revision ?? 0);
    if (!taken) return false;
    this.heldEpoch = record.epoch + 1;
    this.isHolding = true;
    this.schedule();
    return true;
  }

  /** Gives the lease back: the next candidate gets it at once. */
  async release(): Promise<void> {
    if (!this.isHolding) return;
    this.end();
    const free: LeaseRecord = { holder: "", epoch: this.heldEpoch };
    const give = async () => {
      const isFree = await this.write(free, this.revision);
      // A renewal may have been in flight.
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

  /** Handles a failed write: the bucket may have been deleted. If NATS failed, this throws as well. */
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

  /** Handles a refusal: the newest record may be this process's own write whose answer was lost. */
  private async adopt(epoch: number): Promise<boolean> {
    const entry = await this.bucket.read(this.name);
    const record = readRecord(entry);
    if (record.holder !== this.holder || record.epoch !== epoch) return false;
    this.revision = entry!.revision;
    return true;
  }

  /** @returns false when another process wrote before */
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
    this.listeners.notify();
  }
}

function readRecord(entry: Entry | undefined): LeaseRecord {
  if (entry === undefined || entry.ended !== undefined) return { holder: "", epoch: 0 };
  return JSON.parse(entry.value) as LeaseRecord;
}
