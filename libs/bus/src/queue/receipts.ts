/** The durable queue of read receipts: gateways put them in, workers take them out in any order. */

import { partitionOf } from "@carillon/base";
import type { ConsumerMessages } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import type { ReadReceipt } from "../rpc/contracts";
import { RECEIPTS_CONSUMER, RECEIPTS_STREAM, receiptsSubject } from "../streams/definitions";

const SHARDS = 8;

/** The subject of a conversation's receipts. */
export function receiptsSubjectOf(conversationId: string): string {
  return receiptsSubject(partitionOf(conversationId, SHARDS));
}

export function encodeReceipts(receipts: ReadReceipt[]): Uint8Array {
  return pack([ENVELOPE_VERSION, receipts.map((r) => [r.userId, r.deviceId, r.conversationId, r.seq])]);
}

function decodeReceipts(bytes: Uint8Array): ReadReceipt[] {
  const [, rows] = unpackEnvelope(bytes) as [number, [string, string, string, number][]];
  return rows.map(([userId, deviceId, conversationId, seq]) => ({ userId, deviceId, conversationId, seq }));
}

/** Takes receipts out of the queue; a batch whose handler fails comes again. */
export class ReceiptConsumer {
  private messages: ConsumerMessages | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    private readonly onReceipts: (receipts: ReadReceipt[]) => Promise<void>,
  ) {}

  async start(): Promise<void> {
    const consumer = await this.bus.js.consumers.get(RECEIPTS_STREAM, RECEIPTS_CONSUMER);
    this.messages = await consumer.consume({ max_messages: 16 });
    this.running = this.run(this.messages);
  }

  async stop(): Promise<void> {
    this.messages?.stop();
    await this.running;
  }

  private async run(messages: ConsumerMessages): Promise<void> {
    for await (const message of messages) {
      try {
        await this.onReceipts(decodeReceipts(message.data));
        message.ack();
      } catch (err) {
        this.bus.logger.warn({ err }, "receipts could not be stored, they come again");
        message.nak(2_000);
      }
    }
  }
}
