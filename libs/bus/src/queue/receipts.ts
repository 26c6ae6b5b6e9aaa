/** The durable queue of read receipts: gateways add them, workers take them in any order. */

import { Backoff, sleep } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import { RECEIPTS_CONSUMER, RECEIPTS_STREAM, receiptsSubject } from "../streams/definitions";
import { consumeSteadily } from "../streams/steady-consume";
import { putAside } from "./dead-letters";

/** A user has read a conversation up to seq. */
export interface ReadReceipt {
  userId: string;
  deviceId: string;
  conversationId: string;
  seq: number;
}

export function encodeReceipts(receipts: ReadReceipt[]): Uint8Array {
  return pack([ENVELOPE_VERSION, receipts.map((r) => [r.userId, r.deviceId, r.conversationId, r.seq])]);
}

function readAll(bytes: Uint8Array): ReadReceipt[] {
  try {
    return decodeReceipts(bytes);
  } catch {
    // No client ever got an OK for bytes that are no receipts.
    return [];
  }
}

function decodeReceipts(bytes: Uint8Array): ReadReceipt[] {
  const [, rows] = unpackEnvelope(bytes) as [number, [string, string, string, number][]];
  return rows.map(([userId, deviceId, conversationId, seq]) => ({ userId, deviceId, conversationId, seq }));
}

const RECEIPTS_PREFIX = receiptsSubject(0).slice(0, -1);

/** Maximum number of batches in work at the same time. */
const AT_ONCE = 8;
/** Number of receipts pulled ahead. */
const PREFETCH = 16;

/** Number of tries after which the receipts of a batch are stored one by one. */
const TRIES = 5;

/**
 * Takes receipts out of the queue; a batch whose handler fails comes again. A receipt that fails although the stores answer
 * becomes a dead letter after some tries: it must not come again for ever, and the other receipts of its batch are valid.
 */
export class ReceiptConsumer {
  private messages: ConsumerMessages | undefined;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    private readonly onReceipts: (receipts: ReadReceipt[], isRepeated: boolean) => Promise<void>,
  ) {}

  /** Runs the consumer, and begins again whenever the consumer is missing or silent: receipts may wait, users not. */
  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.messages?.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const backoff = new Backoff({ first: 100, most: 5_000 });
    while (!signal.aborted) {
      try {
        const consumer = await this.bus.js.consumers.get(RECEIPTS_STREAM, RECEIPTS_CONSUMER);
        this.messages = await consumeSteadily(this.bus, consumer, PREFETCH);
        if (signal.aborted) this.messages.stop();
        backoff.reset();
        await this.take(this.messages);
      } catch (err) {
        if (!signal.aborted) this.bus.logger.warn({ err }, "the consumer of receipts failed; it is opened again");
      }
      await sleep(backoff.next(), signal);
    }
  }

  /** Handles several batches at a time, so that a hanging owner of one partition does not hold up the receipts of all others. */
  private async take(messages: ConsumerMessages): Promise<void> {
    const working = new Set<Promise<void>>();
    for await (const message of messages) {
      const work = this.takeOne(message).finally(() => working.delete(work));
      working.add(work);
      if (working.size >= AT_ONCE) await Promise.race(working);
    }
    await Promise.all(working);
  }

  private async takeOne(message: JsMsg): Promise<void> {
    // As in a queue of requests, a consumer may have delivered what no gateway published.
    if (!message.subject.startsWith(RECEIPTS_PREFIX)) {
      this.bus.logger.error({ subject: message.subject }, "forged receipts are dropped");
      return void message.ack();
    }
    try {
      await this.onReceipts(decodeReceipts(message.data), message.redelivered);
      message.ack();
    } catch (err) {
      const isWaiting = err instanceof CarillonError && err.name === "BUSY";
      if (!isWaiting && message.info.deliveryCount >= TRIES) return this.takeOneByOne(message);
      // While an owner is away, all receipts of its partition wait like this.
      this.bus.logger[isWaiting ? "debug" : "warn"]({ err }, "receipts could not be stored, they come again");
      message.nak(2_000);
    }
  }

  private async takeOneByOne(message: JsMsg): Promise<void> {
    try {
      for (const [index, receipt] of readAll(message.data).entries()) {
        await this.onReceipts([receipt], true).catch((err: Error) => this.putAside(message, index, receipt, err));
      }
      message.ack();
    } catch (err) {
      this.bus.logger.warn({ err }, "receipts could not be stored as dead letters; they come again");
      message.nak(2_000);
    }
  }

  private async putAside({ seq, subject }: JsMsg, index: number, receipt: ReadReceipt, err: Error): Promise<void> {
    const { userId, conversationId } = receipt;
    this.bus.logger.error({ userId, conversationId, err }, "a receipt cannot be stored; it becomes a dead letter");
    const partition = Number(subject.split(".").at(-1));
    const letter = { kind: "receipts" as const, data: encodeReceipts([receipt]), reason: err.message };
    await putAside(this.bus, { partition, ...letter, id: `receipts-${seq}-${index}` });
  }
}
