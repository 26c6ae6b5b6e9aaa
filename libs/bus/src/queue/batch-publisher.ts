/**
 * The gateway's side of a queue: one open batch per subject, published when the previous one was acknowledged
 * (group commit), so that one fsync of NATS serves many requests.
 *
 * A batch does not change once it was sent. Without an answer nobody knows whether it is stored, so the publisher sends the same
 * bytes again under the same Nats-Msg-Id until there is a verdict, and no later batch overtakes it. That keeps the order of a
 * connection's requests and stores none of them twice. Requests that are certainly refused (the stream is full), or that cannot
 * wait (the limit is reached), go back to the caller, which answers BUSY.
 */
import { Backoff, GroupCommit, randomId, settlesWithin, sleep } from "@carillon/base";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Bus } from "../connection";

const BATCH_ITEMS = 512;
const BATCH_BYTES = 256 * 1024;
const MOST_WAITING = 8_192;
const ANSWER_MS = 2_000;

/** Codes of JetStream that mean: certainly nothing was stored, and waiting does not help. */
const REFUSALS = new Set([10077 /* maximum bytes or messages exceeded */, 10054 /* message too large */]);

export interface BatchPublisherOptions<T> {
  bus: Bus;
  subject: string;
  encode(items: T[]): Uint8Array;
  /** Approximate number of bytes that an item adds to its batch. */
  sizeOf(item: T): number;
  /** Called with stored items: no crash can lose them any more. */
  onStored?(items: T[]): void;
  /** Called with items that were certainly refused. */
  onRefused(items: T[]): void;
}

export class BatchPublisher<T> {
  private readonly commits: GroupCommit<T>;
  private readonly stopping = new AbortController();

  constructor(private readonly options: BatchPublisherOptions<T>) {
    this.commits = new GroupCommit<T>({
      commit: (batch) => this.publish(batch),
      maxItems: BATCH_ITEMS,
      maxBytes: BATCH_BYTES,
      sizeOf: options.sizeOf,
      maxWaiting: MOST_WAITING,
    });
  }

  /** @returns false when too many items wait already; then the caller answers BUSY */
  submit(item: T): boolean {
    return this.commits.add(item);
  }

  /** Number of items that wait for their batch. */
  get waiting(): number {
    return this.commits.length;
  }

  /** Waits at most `ms` until every submitted item has its verdict; then gives up the items without one. */
  async stop(ms: number): Promise<void> {
    await settlesWithin(this.commits.idle(), ms);
    this.stopping.abort();
  }

  private async publish(items: T[]): Promise<void> {
    const { bus, subject, encode, onStored, onRefused } = this.options;
    const bytes = encode(items);
    const msgID = randomId(22);
    const backoff = new Backoff({ first: 50, most: 1_000 });
    while (!this.stopping.signal.aborted) {
      try {
        await bus.js.publish(subject, bytes, { msgID, timeout: ANSWER_MS });
        onStored?.(items);
        return;
      } catch (error) {
        if (error instanceof JetStreamApiError && REFUSALS.has(error.code)) {
          bus.logger.warn({ subject, items: items.length, err: error }, "the queue refuses a batch");
          onRefused(items);
          return;
        }
        bus.logger.warn({ subject, err: error }, "there is no answer to a batch; it is sent again");
        await sleep(backoff.next(), this.stopping.signal);
      }
    }
  }
}
