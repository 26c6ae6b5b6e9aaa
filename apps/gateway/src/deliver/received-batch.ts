/**
 * RECEIVED of many devices, gathered for a moment and told to the workers together: cursors and delivered marks.
 * It may be lost on the way: a device repeats its cursor when it connects.
 */
import { type Bus, type Received, subjects, tell } from "@carillon/bus";
import type { ReceivedPayload } from "@carillon/protocol";
import type { Session } from "../session/session";

/** Long enough that a busy device costs one update of its cursor for several RECEIVED. */
const GATHER_MS = 200;
const MOST_PER_MESSAGE = 1_000;

export class ReceivedBatch {
  private waiting = new Map<number, Received>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly bus: Bus) {}

  /** @returns false when the number was never sent to this device */
  take(session: Session, { epoch, inboxSeq }: ReceivedPayload): boolean {
    const cursor = session.delivery!;
    // A number of an inbox that is gone says nothing about this one.
    if (epoch !== cursor.epoch) return true;
    const events = cursor.received(inboxSeq);
    if (events === undefined) return false;
    const { userId, deviceId } = session.identity!;
    const marks = new Map(this.waiting.get(session.number)?.delivered);
    for (const { conversationId, seq, senderId } of events) {
      if (senderId !== userId && conversationId.startsWith("p:")) marks.set(conversationId, seq);
    }
    this.waiting.set(session.number, { userId, deviceId, epoch, inboxSeq: cursor.acked, delivered: [...marks] });
    this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
    return true;
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const items = [...this.waiting.values()];
    this.waiting = new Map();
    for (let at = 0; at < items.length; at += MOST_PER_MESSAGE) {
      tell<Received[]>(this.bus, subjects.received, items.slice(at, at + MOST_PER_MESSAGE));
    }
  }
}
