/**
 * The owner's side of a queue: batches in exactly the order of the stream.
 *
 * The server does not promise that order: after a reconnect, a restart or an expired ack_wait it hands out newer
 * messages before older unacknowledged ones (measured). Taking them would number later requests first, and
 * acknowledging past the older ones would lose them. So the consumer knows the next sequence:
 * - a batch with a lower sequence is already covered by the log, and is acknowledged without processing;
 * - a batch with a higher sequence means that a batch is missing. If the stream has no message in the gap, a former owner
 *   consumed it, and the gap is accepted. Otherwise the consumer drops everything that was pulled and not yet appended, is
 *   deleted, and a new consumer, under a name that was never used before, starts at the first unacknowledged message, in order.
 *
 * The same happens after every reconnect. Otherwise messages that the server sent into the lost connection would come again
 * only after the ack_wait, and the partition would stand still for as long.
 */
import { Backoff, settlesWithin, sleep, withDeadline } from "@carillon/base";
import type { Consumer, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { readLogState } from "../log/log-reader";
import { PartitionLost } from "../log/log-writer";
import {
  consumerNames,
  epochOfConsumer,
  ownerConsumerDefinition,
  queueStream,
  queueSubject,
} from "../streams/definitions";
import { consumeSteadily } from "../streams/steady-consume";

/**
 * Time to wait for the creation of a consumer at each failed try, ms. A NATS cluster that has not noticed yet that one of its
 * servers is dead chooses that server, one time in three, to lead the new consumer. Waiting for an election takes longer than
 * creating another consumer.
 */
const CREATION_MS = [500, 500, 1_000, 1_000, 2_000, 4_000, 8_000];

/** Maximum time to wait for a deletion, ms. */
const DELETION_MS = 300;

/** Number of batches pulled ahead. */
export const PREFETCH = 64;

/** Bytes that nobody can read, so that the batch becomes a dead letter. */
const NO_BATCH = new Uint8Array();

export interface QueuedBatch {
  /** Sequence in the queue's stream. */
  seq: number;
  data: Uint8Array;
  /** Number of times that the server handed it out; 1 the first time. */
  deliveries: number;
  /** Acknowledges and waits for the server's confirmation (double ack). False: it failed, which is harmless. */
  confirm(): Promise<boolean>;
}

export interface RequestConsumerOptions {
  bus: Bus;
  partition: number;
  ownerEpoch: number;
  /** The life of queue and log that the owner knows (readLogState). */
  streamLife: string;
  /** Highest sequence that the log covers; batches above it are handed out. */
  covered(): number;
  onBatch(batch: QueuedBatch): void;
  /** Called when all batches handed out above covered() are void: they will come again. */
  onRestart(): void;
  /** Called when the partition has a newer owner: the consumer hands out nothing more. */
  onLost(): void;
}

export class RequestConsumer {
  private attempt = 0;
  /** Number of consecutive failed tries to create a consumer. */
  private fruitless = 0;
  private messages: ConsumerMessages | undefined;
  /** Sequence of the batch handed out last. */
  private taken = 0;
  /** Whether the consumer must wait for a new one before it hands out anything, because an earlier batch is missing. */
  private isVoid = false;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private stopFollowing: () => void = () => {};

  constructor(private readonly options: RequestConsumerOptions) {}

  /** Removes the consumers of earlier owners and begins. @throws PartitionLost when a later owner has a consumer */
  async start(): Promise<void> {
    await this.deleteOthers();
    this.running = this.run();
    this.stopFollowing = this.options.bus.onReconnect(() => this.restart());
  }

  /** Gives up at once all batches that were handed out and are not covered, and takes them again from a new consumer. */
  restart(): void {
    this.giveUp();
    this.messages?.stop();
  }

  /** Hands out nothing more. The consumer stays, and the next owner deletes it: it may be the cause of a take-over. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.stopFollowing();
    this.messages?.stop();
    await this.running;
  }

  private get stream(): string {
    return queueStream(this.options.partition);
  }

  private async run(): Promise<void> {
    const { bus, partition } = this.options;
    const backoff = new Backoff({ first: 50, most: 1_000 });
    while (!this.stopping.signal.aborted) {
      try {
        const consumer = await this.open();
        backoff.reset();
        await this.consume(consumer);
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        if (error instanceof PartitionLost) return this.options.onLost();
        bus.logger.warn({ partition, err: error }, "the queue's consumer failed; a new one follows");
      }
      this.giveUp();
      await sleep(backoff.next(), this.stopping.signal);
    }
  }

  private giveUp(): void {
    if (this.isVoid) return;
    this.isVoid = true;
    this.options.onRestart();
  }

  private async open(): Promise<Consumer> {
    const { bus, ownerEpoch } = this.options;
    if (this.attempt > 0) await this.deleteOthers();
    await this.checkLife();
    this.isVoid = false;
    const definition = ownerConsumerDefinition(ownerEpoch, ++this.attempt);
    const adding = bus.patientJsm.consumers.add(this.stream, definition);
    const info = await withDeadline(adding, this.patience(), "a new consumer");
    this.fruitless = 0;
    this.taken = this.options.covered();
    // Its state is not requested: in a cluster the consumer may have no leader yet, and only a leader answers.
    return bus.js.consumers.getConsumerFromInfo(info);
  }

  /** Grows with each failure, because otherwise no consumer would ever be ready on a slow cluster. */
  private patience(): number {
    return CREATION_MS[Math.min(this.fruitless++, CREATION_MS.length - 1)]!;
  }

  /**
   * Checks the life of the queue: in a queue that was created again the numbers mean other batches, and `covered` would skip
   * them.
   */
  private async checkLife(): Promise<void> {
    const { bus, partition, streamLife } = this.options;
    if ((await readLogState(bus, partition)).streamLife !== streamLife) throw new PartitionLost(partition);
  }

  private async consume(consumer: Consumer): Promise<void> {
    const messages = await consumeSteadily(this.options.bus, consumer, PREFETCH);
    this.messages = messages;
    if (this.stopping.signal.aborted) messages.stop();
    for await (const message of messages) {
      if (this.stopping.signal.aborted) return;
      if (!(await this.take(message))) {
        messages.stop();
        return;
      }
    }
  }

  /** @returns false when the order is broken and a new consumer is needed */
  private async take(message: JsMsg): Promise<boolean> {
    if (this.isVoid) return false;
    const seq = message.seq;
    if (seq <= this.options.covered()) {
      message.ack();
      return true;
    }
    // The batch was handed out already and is still in work: it is acknowledged when it is appended.
    if (seq <= this.taken) return true;
    if (seq !== this.taken + 1 && !(await this.isGapEmpty(this.taken + 1, seq))) return false;
    this.taken = seq;
    this.options.onBatch({
      seq,
      // Only gateways, apis and the command line may publish requests: a consumer that delivers here forges them.
      data: message.subject === queueSubject(this.options.partition) ? message.data : NO_BATCH,
      deliveries: message.info.deliveryCount,
      confirm: () => message.ackAck({ timeout: 2_000 }).catch(() => false),
    });
    return true;
  }

  /** Whether the stream has no message from `first` up to `next` (exclusive). */
  private async isGapEmpty(first: number, next: number): Promise<boolean> {
    const { jsm } = this.options.bus;
    const { state } = await jsm.streams.info(this.stream);
    if (state.first_seq >= next) return true;
    // A copy that does not know the batch that was handed out does not know the batches before it either.
    if (state.last_seq < next) return false;
    for (let seq = Math.max(first, state.first_seq); seq < next; seq++) {
      if ((await jsm.streams.getMessage(this.stream, { seq })) !== null) return false;
    }
    return true;
  }

  private async deleteOthers(): Promise<void> {
    const { bus, partition, ownerEpoch } = this.options;
    for (const name of await consumerNames(bus, this.stream)) {
      if ((epochOfConsumer(name) ?? 0) > ownerEpoch) throw new PartitionLost(partition);
      // Perhaps another process was faster; and in a cluster, a consumer whose leader died is deleted without an answer. The
      // server allows no second consumer beside it, so the result does not matter.
      await settlesWithin(bus.jsm.consumers.delete(this.stream, name), DELETION_MS);
    }
  }
}
