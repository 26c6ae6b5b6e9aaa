/**
 * This process as a node of the cluster: a record under `<role>.<nodeId>` that lives as long as it is renewed.
 *
 * The lease counts on the monotonic clock from the moment when the last successful renewal was *sent*: the server cannot have
 * counted it from an earlier moment. So a process that was paused knows at its first look that it has no lease.
 *
 * A renewal without an answer decides nothing. The next renewal is refused (another revision) and reads the key:
 * - own boot: the renewal had arrived, and the member adopts its revision;
 * - nothing: the record expired or was deleted, or the bucket is new; the member creates the record again, after a random delay;
 * - another boot: another process is this node now; the member steps down and never writes again.
 */
import { Backoff, guarded, sleep } from "@carillon/base";
import type { NatsConnection } from "@nats-io/transport-node";
import { type Bucket, type Entry, RevisionConflict } from "../kv/bucket";
import { Listeners } from "../listeners";
import type { Logger } from "../logger";
import type { Timings } from "../timings";
import type { Heartbeats } from "./heartbeats";
import { type NodeRecord, type NodeState, nodeKey, parseRecord } from "./node-record";
import { waitForSilence } from "./silence";

/**
 * `lost`: the lease has run out, the record may be gone. `regained`: the record exists again. `stepped-down`: another
 * process has taken the nodeId; this is final.
 */
export type MemberEvent = "lost" | "regained" | "stepped-down";

export interface MemberContext {
  bucket: Bucket;
  connection: NatsConnection;
  heartbeats: Heartbeats;
  logger: Logger;
  timings: Timings;
}

const RETRY_MS = 100;

type Write = "written" | "again" | "absent" | "other-boot";

export class Member {
  private readonly key: string;
  private readonly listeners = {
    lost: new Listeners(),
    regained: new Listeners(),
    "stepped-down": new Listeners(),
  };
  private readonly backoff: Backoff;
  private current: NodeRecord;
  private revision = 0;
  private leaseUntil = Number.NEGATIVE_INFINITY;
  private isToldLost = false;
  private isEnded = false;
  private renewTimer: NodeJS.Timeout | undefined;
  private lossTimer: NodeJS.Timeout | undefined;
  private rival: Entry | undefined;
  /** The chain of writes: they run one after the other, so that each knows the revision of the one before. */
  private writes: Promise<unknown> = Promise.resolve();

  private constructor(
    record: NodeRecord,
    private readonly context: MemberContext,
  ) {
    this.current = record;
    this.key = nodeKey(record.role, record.nodeId);
    this.backoff = new Backoff({ first: RETRY_MS, most: context.timings.renewMs, jitter: "full" });
  }

  /**
   * Creates the record, and begins to renew it and to send heartbeats. It takes the record of a former life over when that boot
   * was silent for `suspectMs`.
   *
   * @throws Error when another process is alive under this nodeId, or NATS does not answer for three ttl
   */
  static async join(record: NodeRecord, context: MemberContext): Promise<Member> {
    const member = new Member(record, context);
    await member.claim();
    context.heartbeats.start(record.role, record.nodeId, record.boot);
    member.scheduleRenewal(context.timings.renewMs);
    return member;
  }

  get record(): NodeRecord {
    return this.current;
  }

  /** Whether the record certainly still exists. */
  get hasLease(): boolean {
    return !this.isEnded && performance.now() < this.leaseUntil;
  }

  /** @returns an unsubscribe function */
  on(event: MemberEvent, callback: () => void): () => void {
    return this.listeners[event].add(callback);
  }

  /**
   * `draining` takes the node out of ring and assignment, `up` puts it in again. Resolves when written.
   * @throws Error when NATS did not accept the write; the next renewal carries the state anyway
   */
  setState(state: NodeState): Promise<void> {
    return this.update({ state });
  }

  /** Changes the content of the record; resolves and throws like `setState`. */
  async update(change: Partial<Pick<NodeRecord, "addresses" | "load" | "state" | "weight">>): Promise<void> {
    this.current = { ...this.current, ...change };
    const written = await this.inTurn(() => this.write());
    if (!written) throw new Error(`the record of ${this.key} is not written: this node has no place in the cluster`);
  }

  /** Deletes the record, so that the others see the departure at once. Without NATS the record expires. */
  async leave(): Promise<void> {
    if (this.isEnded) return;
    this.end();
    await this.inTurn(async () => {
      for (let attempt = 0; attempt < 2 && this.revision > 0; attempt++) {
        try {
          return await this.context.bucket.delete(this.key, this.revision);
        } catch (error) {
          if (!(error instanceof RevisionConflict)) throw error;
          // A renewal without an answer may have been the last write.
          if ((await this.reconcile()) !== "again") return;
        }
      }
    }).catch((err: unknown) => this.context.logger.debug({ err }, "the record could not be deleted, it will expire"));
  }

  /** Stops renewing without deleting. @internal */
  end(): void {
    this.isEnded = true;
    clearTimeout(this.renewTimer);
    clearTimeout(this.lossTimer);
    this.context.heartbeats.stop(this.current.boot);
  }

  private async claim(): Promise<void> {
    const { bucket, connection, logger, timings } = this.context;
    const deadline = performance.now() + 3 * timings.ttlMs;
    for (;;) {
      try {
        const result = await this.tryWrite();
        if (result === "written") return;
        if (result !== "other-boot") continue;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await bucket.ensure().catch(() => {});
        await sleep(this.backoff.next());
        continue;
      }
      const { revision, value } = this.rival!;
      const record = parseRecord(this.key, value);
      // A value that is no record belongs to no living process.
      if (record !== undefined) {
        logger.info({ boot: record.boot }, "a former life of this node is in the cluster, waiting for its silence");
        this.revision = await waitForSilence({ key: this.key, revision, record }, bucket, connection, timings);
      } else {
        this.revision = revision;
      }
    }
  }

  private scheduleRenewal(ms: number): void {
    clearTimeout(this.renewTimer);
    if (this.isEnded) return;
    this.renewTimer = setTimeout(
      guarded("timer", () => this.renew()),
      ms,
    );
  }

  private async renew(): Promise<void> {
    this.checkLoss();
    const startedAt = performance.now();
    let nextMs = this.context.timings.renewMs;
    try {
      await this.inTurn(() => this.write());
      this.backoff.reset();
      nextMs = Math.max(0, startedAt + nextMs - performance.now());
    } catch (err) {
      this.context.logger.debug({ err }, "the record could not be renewed");
      nextMs = this.backoff.next();
    }
    this.scheduleRenewal(nextMs);
  }

  /** Writes the record whatever its present revision is. @returns false when another boot has it, or after the end */
  private async write(): Promise<boolean> {
    let mayCreate = false;
    while (!this.isEnded) {
      const result = await this.tryWrite().catch((error: unknown) => {
        // Perhaps the bucket no longer exists. Then its keys are gone as well, and one of the next tries finds that. This does
        // not wait for the check: while NATS elects a leader there is no answer either, and the lease would run out.
        void this.context.bucket.ensure().catch(() => {});
        throw error;
      });
      if (result === "written") return true;
      if (result === "other-boot") {
        this.stepDown();
        return false;
      }
      if (result === "absent" && !mayCreate) {
        await sleep(Math.random() * this.context.timings.jitterMs);
        mayCreate = true;
      }
    }
    return false;
  }

  private async tryWrite(): Promise<Write> {
    const { bucket } = this.context;
    const sentAt = performance.now();
    const value = JSON.stringify(this.current);
    try {
      this.revision =
        this.revision === 0
          ? await bucket.create(this.key, value)
          : await bucket.update(this.key, value, this.revision);
    } catch (error) {
      if (error instanceof RevisionConflict) return this.reconcile();
      throw error;
    }
    this.granted(sentAt);
    return "written";
  }

  /** Reads the key to learn why a write was refused. */
  private async reconcile(): Promise<Exclude<Write, "written">> {
    const entry = await this.context.bucket.read(this.key);
    if (entry === undefined || entry.ended !== undefined) {
      this.revision = entry?.revision ?? 0;
      return "absent";
    }
    if (parseRecord(this.key, entry.value)?.boot === this.current.boot) {
      this.revision = entry.revision;
      return "again";
    }
    this.rival = entry;
    return "other-boot";
  }

  private granted(sentAt: number): void {
    this.leaseUntil = sentAt + this.context.timings.ttlMs;
    if (this.isEnded) return;
    clearTimeout(this.lossTimer);
    const checkLoss = guarded("timer", () => this.checkLoss());
    this.lossTimer = setTimeout(checkLoss, this.leaseUntil - performance.now() + 1);
    if (!this.isToldLost || !this.hasLease) return;
    this.isToldLost = false;
    this.context.logger.info({}, "the lease is back");
    this.listeners.regained.notify();
  }

  private checkLoss(): void {
    if (this.isEnded || this.isToldLost || performance.now() < this.leaseUntil) return;
    this.isToldLost = true;
    this.context.logger.warn({}, "the lease has run out");
    this.listeners.lost.notify();
  }

  private stepDown(): void {
    const boot = parseRecord(this.key, this.rival?.value ?? "")?.boot;
    this.end();
    this.context.logger.error({ boot }, "another process has taken this node's place");
    this.listeners["stepped-down"].notify();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.writes.then(work);
    this.writes = result.catch(() => {});
    return result;
  }
}
