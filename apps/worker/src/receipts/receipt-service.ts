/**
 * Receipts: what devices have received, and what users have read.
 *
 * RECEIVED moves the cursors of devices and the delivered marks, and the peer's devices are told; it is answered when
 * MySQL has the marks. READ comes through a durable queue and is acknowledged when it is in MySQL. Either comes again
 * when it was not answered; then those concerned are told in any case, since nobody knows whether they were before.
 */
import { getOrSet, partitionOf } from "@carillon/base";
import {
  askOwner,
  type Bus,
  type Notice,
  type Readable,
  type ReadReceipt,
  ReceiptConsumer,
  type Received,
  receivedReport,
  serve,
  TIMINGS,
} from "@carillon/bus";
import { Command, encodeFrame, orBusy, peerOf } from "@carillon/protocol";
import { busyStore, type Marks, type MarkUpdate, type Sessions } from "@carillon/store";
import type { Blocks } from "./blocks";
import { MarkSaver } from "./mark-saver";

export interface ReceiptServiceOptions {
  bus: Bus;
  partitions: number;
  sessions: Sessions;
  marks: Marks;
  /** Writes marks to MySQL; they only move forward there, too. */
  saveMarks(updates: MarkUpdate[]): Promise<void>;
  notify(gateway: string, notices: Notice[]): void;
  /** Whether one of each two blocks the other: then neither is told of the other's receipts. */
  blocked: Blocks["between"];
}

export class ReceiptService {
  private readonly reads: ReceiptConsumer;
  private readonly saver: MarkSaver;
  private stopServing: () => void = () => {};

  constructor(private readonly options: ReceiptServiceOptions) {
    this.saver = new MarkSaver(
      (updates) => options.saveMarks(updates),
      (updates, since) => this.notifyNewDevices(updates, since),
    );
    this.reads = new ReceiptConsumer(options.bus, (receipts, isRepeated) => this.read(receipts, isRepeated));
  }

  start(): void {
    const { bus } = this.options;
    this.stopServing = serve(bus, receivedReport, (received) => this.received(received), { queue: "workers" });
    this.reads.start();
  }

  async stop(): Promise<void> {
    this.stopServing();
    await this.reads.stop();
    await this.saver.flush();
  }

  private async received({ cursors, delivered, isRepeated }: Received): Promise<null> {
    const { bus, sessions, marks } = this.options;
    const moves = cursors.map(([userId, deviceId, epoch, seq]) => ({ userId, deviceId, epoch, seq }));
    const updates = delivered.map(([conversationId, userId, seq]) => ({
      conversationId,
      userId,
      read: 0,
      delivered: seq,
    }));
    const [, moved] = await orBusy(Promise.all([sessions.received(moves, bus.clock.now()), marks.move(updates)]));
    const news = moved.filter(({ deliveredMoved }) => deliveredMoved || isRepeated);
    await this.sendReceipts(news.flatMap(deliveredNotices));
    await orBusy(this.saver.save(moved, bus.clock.now()));
    return null;
  }

  /**
   * A device that connected while marks were on their way to MySQL missed their notices, and its SYNC did not find the marks
   * in MySQL yet: it is told now.
   */
  private notifyNewDevices(updates: MarkUpdate[], since: number): void {
    this.sendReceipts(updates.flatMap(deliveredNotices), since - TIMINGS.connectMs).catch((err: Error) => {
      this.options.bus.logger.debug({ err }, "those who came meanwhile are not told of marks");
    });
  }

  /** Tells of receipts, but nobody across a block. @param since as `sendNotices` */
  private async sendReceipts(receipts: ReceiptNotice[], since = 0): Promise<void> {
    const acrossTwo = receipts.filter(({ notice, of }) => notice.userId !== of);
    const blocked = await orBusy(this.options.blocked(acrossTwo.map(({ notice, of }) => [notice.userId, of] as const)));
    const dropped = new Set(acrossTwo.filter((_, i) => blocked[i]));
    await this.sendNotices(
      receipts.filter((receipt) => !dropped.has(receipt)).map(({ notice }) => notice),
      since,
    );
  }

  /** @param since only to gateways where a device of the user has sent CONNECT since, ms */
  private async sendNotices(notices: Notice[], since = 0): Promise<void> {
    if (notices.length === 0) return;
    const sessions = await orBusy(this.options.sessions.ofMany(notices.map(({ userId }) => userId)));
    const byGateway = new Map<string, Notice[]>();
    notices.forEach((notice, i) => {
      const present = sessions[i]!.filter((session) => session.since >= since);
      for (const gateway of new Set(present.map((session) => session.gateway))) {
        getOrSet(byGateway, gateway, (): Notice[] => []).push(notice);
      }
    });
    for (const [gateway, list] of byGateway) this.options.notify(gateway, list);
  }

  private async read(receipts: ReadReceipt[], isRepeated: boolean): Promise<void> {
    const { marks, saveMarks } = this.options;
    const readable = await this.readable(receipts);
    // Nobody has read what does not exist, or is not his.
    const own = receipts.flatMap((receipt, i) =>
      readable[i] === 0 ? [] : [{ ...receipt, seq: Math.min(receipt.seq, readable[i]!) }],
    );
    const updates = own.map(({ conversationId, userId, seq }) => ({ conversationId, userId, read: seq, delivered: 0 }));
    await orBusyStore(saveMarks(updates));
    const moved = await orBusy(marks.move(updates));
    const notices = moved.flatMap((mark, i) => (mark.readMoved || isRepeated ? readNotices(own[i]!, mark.read) : []));
    await this.sendReceipts(notices);
  }

  /** Up to which number each of them may have read, by the owners of the conversations. */
  private async readable(receipts: ReadReceipt[]): Promise<Readable> {
    const { bus, partitions } = this.options;
    const byPartition = new Map<number, number[]>();
    receipts.forEach(({ conversationId }, i) => {
      getOrSet(byPartition, partitionOf(conversationId, partitions), (): number[] => []).push(i);
    });
    const result: Readable = [];
    await Promise.all(
      [...byPartition].map(async ([partition, places]) => {
        const wanted = places.map((i): [string, string] => [receipts[i]!.conversationId, receipts[i]!.userId]);
        const answer = await askOwner(bus, partition, { ask: "readable", wanted });
        places.forEach((place, i) => {
          result[place] = answer[i]!;
        });
      }),
    );
    return result;
  }
}

/** A MySQL that is away is waited for; any other error is one of the receipts. */
async function orBusyStore<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw busyStore(error) ?? error;
  });
}

/** The notice to a user about a receipt of another user, or of another device of their own. */
interface ReceiptNotice {
  notice: Notice;
  of: string;
}

/** DELIVERED_UPDATE goes to the peer. */
function deliveredNotices({ conversationId, userId, delivered }: MarkUpdate): ReceiptNotice[] {
  const peerId = peerOf(conversationId, userId);
  if (peerId === undefined) return [];
  const frame = encodeFrame(Command.DELIVERED_UPDATE, 0, { conversationId, userId, seq: delivered });
  return [{ notice: { userId: peerId, frame }, of: userId }];
}

/** READ_UPDATE goes to the reader's other devices and to the peer. */
function readNotices({ conversationId, userId, deviceId }: ReadReceipt, seq: number): ReceiptNotice[] {
  const frame = encodeFrame(Command.READ_UPDATE, 0, { conversationId, userId, seq });
  const own = { notice: { userId, exceptDeviceId: deviceId, frame }, of: userId };
  const peerId = peerOf(conversationId, userId);
  return peerId === undefined ? [own] : [own, { notice: { userId: peerId, frame }, of: userId }];
}
