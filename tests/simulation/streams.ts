/** The server's side of simulated JetStream: queues, logs and dead letters. */
import { JetStreamApiError } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";

const WRONG_LAST_SEQUENCE = 10071;
const STREAM_FULL = 10077;
const ACK_WAIT_MS = 30_000;

export interface Stored {
  seq: number;
  subject: string;
  data: Uint8Array;
  header: MsgHdrs | undefined;
  /** ms since the Unix epoch. */
  time: number;
}

export function apiError(code: number, description: string): JetStreamApiError {
  return new JetStreamApiError({ code: 400, err_code: code, description });
}

export class Stream {
  readonly messages = new Map<number, Stored>();
  readonly created: string;
  /** `im.in.<partition>` or `im.log.<partition>`. */
  private readonly subject: string;
  private readonly msgIds = new Set<string>();
  lastSeq = 0;
  /** Whether the stream refuses every message, because its bytes are used up. */
  full = false;
  refusals = 0;
  /** Called after each stored message. */
  readonly listeners = new Set<() => void>();

  constructor(
    readonly name: string,
    private readonly now: () => number,
  ) {
    this.created = new Date(now()).toISOString();
    this.subject = `im.${name.toLowerCase().replace("_", ".")}`;
  }

  get firstSeq(): number {
    for (const seq of this.messages.keys()) return seq;
    return this.lastSeq + 1;
  }

  /** @throws JetStreamApiError with the server's code */
  publish(data: Uint8Array, header?: MsgHdrs, msgId?: string, expectedLast?: number): { seq: number; isNew: boolean } {
    // The server checks the expectation before it looks for duplicates.
    if (expectedLast !== undefined && expectedLast !== this.lastSeq) {
      throw apiError(WRONG_LAST_SEQUENCE, `wrong last sequence: ${this.lastSeq}`);
    }
    if (msgId !== undefined && this.msgIds.has(msgId)) return { seq: this.lastSeq, isNew: false };
    if (this.full) {
      this.refusals++;
      throw apiError(STREAM_FULL, "maximum bytes exceeded");
    }
    if (msgId !== undefined) this.msgIds.add(msgId);
    const message = { seq: ++this.lastSeq, subject: this.subject, data, header, time: this.now() };
    this.messages.set(message.seq, message);
    for (const listener of [...this.listeners]) listener();
    return { seq: message.seq, isNew: true };
  }

  /** Deletes the messages before `seq`. */
  purge(seq: number): number {
    let purged = 0;
    for (const at of [...this.messages.keys()]) {
      if (at >= seq) break;
      this.messages.delete(at);
      purged++;
    }
    return purged;
  }
}

/** Takes the messages that the server hands out. */
export type HandOut = (message: Stored, deliveries: number) => void;

/** A durable pull consumer of the queue, with explicit acknowledgement. */
export class QueueConsumer {
  private readonly unacked = new Map<number, { due: number; deliveries: number }>();
  private next = 1;
  handOut: HandOut | undefined;
  isDeleted = false;
  onDeleted: () => void = () => {};

  /** Sequence of the first message that it hands out. */
  readonly first: number;

  constructor(
    readonly name: string,
    readonly stream: Stream,
    private readonly now: () => number,
  ) {
    this.first = stream.firstSeq;
  }

  /** Hands out all messages that it may hand out now. @param most maximum number of unacknowledged messages */
  pump(most: number): void {
    if (this.handOut === undefined || this.isDeleted) return;
    for (const [seq, entry] of this.unacked) {
      if (entry.due > this.now()) continue;
      const message = this.stream.messages.get(seq);
      if (message === undefined) this.unacked.delete(seq);
      else {
        entry.due = this.now() + ACK_WAIT_MS;
        this.handOut(message, ++entry.deliveries);
      }
    }
    for (const [seq, message] of this.stream.messages) {
      if (this.unacked.size >= most) return;
      if (seq < this.next) continue;
      this.next = seq + 1;
      this.unacked.set(seq, { due: this.now() + ACK_WAIT_MS, deliveries: 1 });
      this.handOut(message, 1);
    }
  }

  /** After a reconnect, unacknowledged messages come again at some time, and newer messages may come first. */
  lose(redeliverAfterMs: number): void {
    for (const entry of this.unacked.values()) entry.due = this.now() + redeliverAfterMs;
  }

  /** @returns whether the message was waiting for this acknowledgement */
  ack(seq: number): boolean {
    if (this.isDeleted || !this.unacked.delete(seq)) return false;
    return this.stream.messages.delete(seq);
  }

  delete(): void {
    this.isDeleted = true;
    this.onDeleted();
  }
}
