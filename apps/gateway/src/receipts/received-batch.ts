/**
 * Gathers RECEIVED of many devices for a moment and reports them to a worker together. Cursors may be lost on the way,
 * because each device repeats its cursor when it connects. Delivered marks are reported again until MySQL has them, because
 * no device repeats them.
 */
import { guarded } from "@carillon/base";
import { ask, type Bus, type Received, receivedReport } from "@carillon/bus";
import { deliveredBy, type ReceivedPayload } from "@carillon/protocol";
import type { Session } from "../session/session";

/** Long enough for several RECEIVED of a busy device to cost one update of its cursor. */
const GATHER_MS = 200;
const MOST_PER_MESSAGE = 1_000;
const AGAIN_MS = 2_000;

type Cursor = Received["cursors"][number];
type Delivered = Received["delivered"][number];

export class ReceivedBatch {
  private cursors = new Map<number, Cursor>();
  private delivered = new Marks();
  private timer: NodeJS.Timeout | undefined;
  /** Marks that no worker has confirmed. */
  private unconfirmed = new Marks();
  private againTimer: NodeJS.Timeout | undefined;

  constructor(private readonly bus: Bus) {}

  /** @returns false when the number was never sent to this device */
  take(session: Session, { epoch, inboxSeq }: ReceivedPayload): boolean {
    const cursor = session.delivery!;
    // A number of a former epoch says nothing about this epoch of the inbox.
    if (epoch !== cursor.inboxEpoch) return true;
    const events = cursor.received(inboxSeq);
    if (events === undefined) return false;
    const { userId, deviceId } = session.identity!;
    this.cursors.set(session.number, [userId, deviceId, epoch, cursor.acked]);
    this.deliver(userId, deliveredBy(userId, events));
    this.flushSoon();
    return true;
  }

  /** A user's private conversations are delivered up to these numbers. */
  deliver(userId: string, marks: Iterable<[conversationId: string, seq: number]>): void {
    for (const [conversationId, seq] of marks) {
      this.delivered.add([conversationId, userId, seq]);
      this.flushSoon();
    }
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const [cursors, delivered] = [[...this.cursors.values()], this.delivered.takeAll()];
    this.cursors = new Map();
    for (let at = 0; at < Math.max(cursors.length, delivered.length); at += MOST_PER_MESSAGE) {
      const part = [at, at + MOST_PER_MESSAGE] as const;
      void this.report({ cursors: cursors.slice(...part), delivered: delivered.slice(...part), isRepeated: false });
    }
  }

  stop(): void {
    clearTimeout(this.againTimer);
  }

  private flushSoon(): void {
    this.timer ??= setTimeout(
      guarded("timer", () => this.flush()),
      GATHER_MS,
    );
  }

  private async report(received: Received): Promise<void> {
    try {
      await ask(this.bus, receivedReport, received);
    } catch {
      for (const mark of received.delivered) this.unconfirmed.add(mark);
      this.againTimer ??= setTimeout(
        guarded("timer", () => this.reportAgain()),
        AGAIN_MS,
      );
    }
  }

  private reportAgain(): void {
    this.againTimer = undefined;
    const delivered = this.unconfirmed.takeAll();
    for (let at = 0; at < delivered.length; at += MOST_PER_MESSAGE) {
      void this.report({ cursors: [], delivered: delivered.slice(at, at + MOST_PER_MESSAGE), isRepeated: true });
    }
  }
}

/** The highest number of each user in each conversation. */
class Marks {
  private marks = new Map<string, Delivered>();

  add(mark: Delivered): void {
    const [conversationId, userId, seq] = mark;
    const key = `${conversationId} ${userId}`;
    if (seq > (this.marks.get(key)?.[2] ?? 0)) this.marks.set(key, mark);
  }

  takeAll(): Delivered[] {
    const all = [...this.marks.values()];
    this.marks = new Map();
    return all;
  }
}
