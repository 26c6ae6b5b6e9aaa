/**
 * The gateway's side of a queue: one open batch per subject, published when the previous one was acknowledged
 * (group commit), so that one fsync of NATS serves many requests.
 *
 * A batch is frozen once it was sent. Without an answer nobody knows whether it is stored; so the same bytes are
 * sent again under the same Nats-Msg-Id until there is a verdict, and nothing later overtakes it. That keeps the
 * order of a connection's requests and stores none twice. What is refused for certain (the stream is full) or can
 * not wait (the bound is reached) goes back to the caller, who answers BUSY.
 */
import { Backoff, GroupCommit, randomId, settlesWithin, sleep } from "@carillon/base";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Bus } from "../connection";

const BATCH_ITEMS = 512;
const BATCH_BYTES = 256 * 1024;
const MOST_WAITING = 8_192;
const ANSWER_MS = 2_000;

/** Codes of JetStream that say for certain that nothing was stored, and that waiting does not help. */
const REFUSALS = new Set([10077 /* maximum bytes or messages exceeded */, 10054 /* message too large */]);

export interface BatchPublisherOptions<T> {
  bus: Bus;
  subject: string;
  encode(items: T[]): Uint8Array;
  /** Bytes that an item adds to its batch, roughly. */
  sizeOf(item: T): number;
  /** Told of items that are stored: a crash of anything cannot lose them any more. */
  onStored?(items: T[]): void;
  /** Told of items that were refused for certain. */
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

  /** @returns false when too much waits already: answer BUSY */
  submit(item: T): boolean {
    return this.commits.add(item);
  }

  /** Items that wait for their batch. */
  get waiting(): number {
    return this.commits.length;
  }

  /** Waits until everything submitted has its verdict, at most `ms`; then gives up what has none. */
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
        bus.logger.warn({ subject, err: error }, "no answer to a batch, sent again");
        await sleep(backoff.next(), this.stopping.signal);
      }
    }
  }
}
