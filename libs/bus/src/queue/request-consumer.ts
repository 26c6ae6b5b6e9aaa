/**
 * The owner's side of a queue: batches in exactly the order of the stream.
 *
 * The server does not promise that order: after a reconnect, a restart or an expired ack_wait it hands out newer
 * messages before older unacknowledged ones (measured). Taking them would number later requests first, and
 * acknowledging past them would lose them. So the consumer knows which sequence comes next:
 * - a lower one is already covered by the log: acknowledged unprocessed;
 * - a higher one means that something is missing. If the stream holds no message in the gap, it was consumed by a
 *   former owner, and the gap is accepted. Otherwise everything that was pulled and not yet appended is dropped,
 *   the consumer is deleted, and a fresh one, under a name never used before, starts at the first
 *   unacknowledged message, in order.
 *
 * The same is done after every reconnect: what the server sent into the lost connection would otherwise come again only
 * after the ack_wait, and as long the partition would stand still.
 */
import { Backoff, settlesWithin, sleep, withDeadline } from "@carillon/base";
import type { Consumer, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { readLogState } from "../log/log-reader";
import { PartitionLost } from "../log/log-writer";
import { consumerNames } from "../streams/consumer-names";
import { epochOfConsumer, ownerConsumerDefinition, queueStream } from "../streams/definitions";
import { consumeSteadily } from "../streams/steady-consume";

/**
 * How long the creation of a consumer is waited for, each time that it fails, ms. A cluster that does not know yet that
 * one of its servers is dead chooses it, one time in three, to lead the new consumer: that takes an election, another
 * consumer less.
 */
const CREATION_MS = [500, 500, 1_000, 1_000, 2_000, 4_000, 8_000];

/** Most time that a deletion is waited for, ms. */
const DELETION_MS = 300;

/** Batches pulled ahead of the one in work. */
export const PREFETCH = 64;

export interface QueuedBatch {
  /** Sequence in the queue's stream. */
  seq: number;
  data: Uint8Array;
  /** How often the server handed it out, 1 the first time. */
  deliveries: number;
  /** Acknowledges and waits for the server's confirmation (double ack). Failing is harmless: false. */
  confirm(): Promise<boolean>;
}

export interface RequestConsumerOptions {
  bus: Bus;
  partition: number;
  epoch: number;
  /** Which life of queue and log the owner knows (readLogState). */
  life: string;
  /** Highest sequence that the log covers; batches above it are handed out. */
  covered(): number;
  onBatch(batch: QueuedBatch): void;
  /** Everything handed out above covered() is void: it will come again. */
  onRestart(): void;
  /** The partition has a newer owner: nothing more is handed out. */
  onLost(): void;
}

export class RequestConsumer {
  private attempt = 0;
  /** Consumers asked for in vain, one after the other. */
  private fruitless = 0;
  private messages: ConsumerMessages | undefined;
  /** Sequence of the batch handed out last. */
  private taken = 0;
  /** Nothing may be handed out before a fresh consumer is there: something before it is missing. */
  private isVoid = false;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private stopFollowing: () => void = () => {};

  constructor(private readonly options: RequestConsumerOptions) {}

  /** Removes the consumers of earlier owners and begins. @throws PartitionLost when a later owner has one */
  async start(): Promise<void> {
    await this.deleteOthers();
    this.running = this.run();
    this.stopFollowing = this.options.bus.onReconnect(() => this.restart());
  }

  /** Gives up, at once, what was handed out and not covered, and takes it again from a fresh consumer. */
  restart(): void {
    this.giveUp();
    this.messages?.stop();
  }

  /** Hands out nothing more. The consumer stays for the next owner to delete: it may be the cause of a take-over. */
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
        bus.logger.warn({ partition, err: error }, "the queue's consumer failed, a new one follows");
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
    const { bus, epoch } = this.options;
    if (this.attempt > 0) await this.deleteOthers();
    await this.checkLife();
    this.isVoid = false;
    const definition = ownerConsumerDefinition(epoch, ++this.attempt);
    const adding = bus.patientJsm.consumers.add(this.stream, definition);
    const info = await withDeadline(adding, this.patience(), "a new consumer");
    this.fruitless = 0;
    this.taken = this.options.covered();
    // Not asked for again: in a cluster it may not have a leader yet, who alone would answer.
    return bus.js.consumers.getConsumerFromInfo(info);
  }

  /** Grows, since on a slow cluster none would ever be ready otherwise. */
  private patience(): number {
    return CREATION_MS[Math.min(this.fruitless++, CREATION_MS.length - 1)]!;
  }

  /** The numbers of a queue that was made again mean other batches: `covered` would skip them. */
  private async checkLife(): Promise<void> {
    const { bus, partition, life } = this.options;
    if ((await readLogState(bus, partition)).life !== life) throw new PartitionLost(partition);
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

  /** @returns false when the order is broken and a fresh consumer is needed */
  private async take(message: JsMsg): Promise<boolean> {
    if (this.isVoid) return false;
    const seq = message.seq;
    if (seq <= this.options.covered()) {
      message.ack();
      return true;
    }
    // Handed out already and still in work: it will be acknowledged when it is appended.
    if (seq <= this.taken) return true;
    if (seq !== this.taken + 1 && !(await this.isGapEmpty(this.taken + 1, seq))) return false;
    this.taken = seq;
    this.options.onBatch({
      seq,
      data: message.data,
      deliveries: message.info.deliveryCount,
      confirm: () => message.ackAck({ timeout: 2_000 }).catch(() => false),
    });
    return true;
  }

  /** Whether the stream holds nothing from `first` up to `next` (exclusive). */
  private async isGapEmpty(first: number, next: number): Promise<boolean> {
    const { jsm } = this.options.bus;
    const { state } = await jsm.streams.info(this.stream);
    if (state.first_seq >= next) return true;
    // Who does not know the batch that was handed out does not know those before it either.
    if (state.last_seq < next) return false;
    for (let seq = Math.max(first, state.first_seq); seq < next; seq++) {
      if ((await jsm.streams.getMessage(this.stream, { seq })) !== null) return false;
    }
    return true;
  }

  private async deleteOthers(): Promise<void> {
    const { bus, partition, epoch } = this.options;
    for (const name of await consumerNames(bus, this.stream)) {
      if ((epochOfConsumer(name) ?? 0) > epoch) throw new PartitionLost(partition);
      // Perhaps somebody was faster; and in a cluster a consumer whose leader died goes without an answer. The server
      // has no second consumer beside it, so nothing more has to be known.
      await settlesWithin(bus.jsm.consumers.delete(this.stream, name), DELETION_MS);
    }
  }
}
