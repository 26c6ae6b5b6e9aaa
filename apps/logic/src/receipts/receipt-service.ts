/**
 * Receipts: what devices have received, and what users have read.
 *
 * RECEIVED comes over core NATS and may be lost: the device repeats its cursor at the next CONNECT. It moves the
 * device's cursor and the delivered marks, and the peer's devices are told. The gateway gathers for 200 ms before, so
 * that a lively conversation costs one update for many messages. READ comes through a durable queue and is
 * acknowledged when it is in MySQL.
 */
import { getOrSet, partitionOf } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import {
  ask,
  type Bus,
  type LastSeq,
  type Notice,
  type OwnerQuestion,
  type ReadReceipt,
  ReceiptConsumer,
  type Received,
  serve,
  subjects,
} from "@carillon/bus";
import { Command, encodeFrame, parseConversationId } from "@carillon/protocol";
import type { Marks, MarkUpdate, MovedMark, Sessions } from "@carillon/store";

const SAVE_EVERY_MS = 5_000;
const SAVE_ROWS = 1_000;

export interface ReceiptServiceOptions {
  bus: Bus;
  logger: Logger;
  partitions: number;
  sessions: Sessions;
  marks: Marks;
  /** Writes marks to MySQL; they only move forward there, too. */
  saveMarks(updates: MarkUpdate[]): Promise<void>;
  notify(gateway: string, notices: Notice[]): void;
}

export class ReceiptService {
  private readonly reads: ReceiptConsumer;
  /** Delivered marks by "conversation user" that MySQL is to have. */
  private toSave = new Map<string, MarkUpdate>();
  private stops: (() => void)[] = [];

  constructor(private readonly options: ReceiptServiceOptions) {
    this.reads = new ReceiptConsumer(options.bus, (receipts) => this.read(receipts));
  }

  start(): void {
    const { bus, logger } = this.options;
    const saveSoon = () => this.save().catch((err: Error) => logger.warn({ err }, "marks are saved later"));
    const save = setInterval(() => void saveSoon(), SAVE_EVERY_MS);
    this.stops = [
      serve<Received[], null>(bus, subjects.received, (received) => this.received(received), "workers"),
      () => clearInterval(save),
    ];
    this.reads.start();
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.splice(0)) stop();
    await this.reads.stop();
    await this.save().catch(() => {});
  }

  private async received(batch: Received[]): Promise<null> {
    const { bus, sessions, marks } = this.options;
    const cursors = batch.map(({ userId, deviceId, epoch, inboxSeq }) => ({ userId, deviceId, epoch, seq: inboxSeq }));
    const updates = batch.flatMap(({ userId, delivered }) =>
      delivered.map(([conversationId, seq]) => ({ conversationId, userId, read: 0, delivered: seq })),
    );
    const [, moved] = await Promise.all([sessions.received(cursors, bus.clock.now()), marks.move(updates)]);
    const forward = moved.filter(({ deliveredMoved }) => deliveredMoved);
    for (const mark of forward) this.keepForSave(mark);
    await this.sendNotices(forward.flatMap(deliveredNotices));
    return null;
  }

  private keepForSave({ conversationId, userId, read, delivered }: MarkUpdate): void {
    this.toSave.set(`${conversationId} ${userId}`, { conversationId, userId, read, delivered });
  }

  private async sendNotices(notices: Notice[]): Promise<void> {
    if (notices.length === 0) return;
    const gateways = await this.options.sessions.gatewaysOf(notices.map(({ userId }) => userId));
    const byGateway = new Map<string, Notice[]>();
    notices.forEach((notice, i) => {
      for (const gateway of gateways[i]!) getOrSet(byGateway, gateway, (): Notice[] => []).push(notice);
    });
    for (const [gateway, list] of byGateway) this.options.notify(gateway, list);
  }

  private async save(): Promise<void> {
    const updates = [...this.toSave.values()];
    this.toSave = new Map();
    for (let at = 0; at < updates.length; at += SAVE_ROWS) {
      const rows = updates.slice(at, at + SAVE_ROWS);
      await this.options.saveMarks(rows).catch((error: Error) => {
        for (const update of updates.slice(at)) {
          if (!this.toSave.has(`${update.conversationId} ${update.userId}`)) this.keepForSave(update);
        }
        throw error;
      });
    }
  }

  private async read(receipts: ReadReceipt[]): Promise<void> {
    const { marks, saveMarks } = this.options;
    const own = receipts.filter(({ conversationId, userId }) => isMember(conversationId, userId));
    const clamped = await Promise.all(own.map((receipt) => this.clamp(receipt)));
    const updates = clamped.map(({ conversationId, userId, seq }) => ({
      conversationId,
      userId,
      read: seq,
      delivered: 0,
    }));
    await saveMarks(updates);
    const moved = await marks.move(updates);
    const notices = moved.flatMap((mark, i) => (mark.readMoved ? readNotices(own[i]!, mark.read) : []));
    await this.sendNotices(notices);
  }

  /** Nobody has read what does not exist: the conversation's last number is the most. */
  private async clamp(receipt: ReadReceipt): Promise<ReadReceipt> {
    const { bus, partitions } = this.options;
    const { conversationId } = receipt;
    const subject = subjects.owner(partitionOf(conversationId, partitions));
    const { lastSeq } = await ask<OwnerQuestion, LastSeq>(bus, subject, { ask: "last-seq", conversationId });
    return { ...receipt, seq: Math.min(receipt.seq, lastSeq) };
  }
}

/** Whether a receipt is about a conversation of its user; the others say nothing. */
function isMember(conversationId: string, userId: string): boolean {
  const parts = parseConversationId(conversationId);
  return parts?.kind === "private" && parts.userIds.includes(userId);
}

/** DELIVERED_UPDATE goes to the peer. */
function deliveredNotices({ conversationId, userId, delivered }: MovedMark): Notice[] {
  const peerId = peerOf(conversationId, userId);
  if (peerId === undefined) return [];
  return [
    { userId: peerId, frame: encodeFrame(Command.DELIVERED_UPDATE, 0, { conversationId, userId, seq: delivered }) },
  ];
}

/** READ_UPDATE goes to the reader's other devices and to the peer. */
function readNotices({ conversationId, userId, deviceId }: ReadReceipt, seq: number): Notice[] {
  const frame = encodeFrame(Command.READ_UPDATE, 0, { conversationId, userId, seq });
  const own = { userId, exceptDeviceId: deviceId, frame };
  const peerId = peerOf(conversationId, userId);
  return peerId === undefined ? [own] : [own, { userId: peerId, frame }];
}

/** The other one of a private conversation; undefined in groups and in the conversation with oneself. */
function peerOf(conversationId: string, userId: string): string | undefined {
  const parts = parseConversationId(conversationId);
  if (parts?.kind !== "private" || parts.userIds[0] === parts.userIds[1]) return undefined;
  return parts.userIds[0] === userId ? parts.userIds[1] : parts.userIds[0];
}
