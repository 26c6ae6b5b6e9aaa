/**
 * The gateway's side of the queues: one open batch per partition, published when the previous one was
 * acknowledged (group commit), so that one fsync of NATS serves many requests.
 *
 * A batch is frozen once it was sent. Without an answer nobody knows whether it is stored; so the same bytes are
 * sent again under the same Nats-Msg-Id until there is a verdict, and nothing later overtakes it. That keeps the
 * order of a connection's requests and stores none twice. What is refused for certain (the stream is full) or can
 * not wait (the bound is reached) goes back to the caller, who answers BUSY.
 */
import { Backoff, GroupCommit, randomId, sleep } from "@carillon/base";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { encodeRequestBatch, type RequestBatch, type SendRequest, sizeOfRequest } from "../envelopes/requests";
import { queueSubject } from "../streams/definitions";

const BATCH_REQUESTS = 512;
const BATCH_BYTES = 256 * 1024;
const MOST_WAITING = 8_192;
const ANSWER_MS = 2_000;

/** Codes of JetStream that say for certain that nothing was stored, and that waiting does not help. */
const REFUSALS = new Set([10077 /* maximum bytes or messages exceeded */, 10054 /* message too large */]);

export interface RequestPublisherOptions {
  bus: Bus;
  gateway: string;
  boot: string;
  partitions: number;
  /** Told of requests that were refused for certain. */
  onRefused(requests: SendRequest[]): void;
}

export class RequestPublisher {
  private readonly commits: GroupCommit<SendRequest>[];
  private readonly stopping = new AbortController();

  constructor(private readonly options: RequestPublisherOptions) {
    this.commits = Array.from(
      { length: options.partitions },
      (_, partition) =>
        new GroupCommit<SendRequest>({
          commit: (batch) => this.publish(partition, batch),
          maxItems: BATCH_REQUESTS,
          maxBytes: BATCH_BYTES,
          sizeOf: sizeOfRequest,
          maxWaiting: MOST_WAITING,
        }),
    );
  }

  /** @returns false when too much waits already: answer BUSY */
  submit(partition: number, request: SendRequest): boolean {
    return this.commits[partition]!.add(request);
  }

  /** Requests that wait for their batch. */
  get waiting(): number {
    return this.commits.reduce((sum, commit) => sum + commit.length, 0);
  }

  /** Waits until everything submitted has its verdict, at most `ms`; then gives up what has none. */
  async stop(ms: number): Promise<void> {
    await Promise.race([Promise.all(this.commits.map((commit) => commit.idle())), sleep(ms)]);
    this.stopping.abort();
  }

  private async publish(partition: number, requests: SendRequest[]): Promise<void> {
    const { bus, gateway, boot } = this.options;
    const batch: RequestBatch = { gateway, boot, requests };
    const bytes = encodeRequestBatch(batch);
    const msgID = randomId(22);
    const backoff = new Backoff({ first: 50, most: 1_000 });
    while (!this.stopping.signal.aborted) {
      try {
        await bus.js.publish(queueSubject(partition), bytes, { msgID, timeout: ANSWER_MS });
        return;
      } catch (error) {
        if (error instanceof JetStreamApiError && REFUSALS.has(error.code)) {
          bus.logger.warn({ partition, requests: requests.length, err: error }, "the queue refuses requests");
          this.options.onRefused(requests);
          return;
        }
        bus.logger.warn({ partition, err: error }, "no answer to a batch of requests, sent again");
        await sleep(backoff.next(), this.stopping.signal);
      }
    }
  }
}
