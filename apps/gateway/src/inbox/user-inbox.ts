/**
 * One user's inbox as this gateway sees it. Pushes of several workers come together here in the order of the inbox, and go to
 * all devices of the user here.
 *
 * The idea: `next` is the number that has to arrive next. A push with that number is delivered, followed by pushes that
 * arrived early. A push with a higher number waits (256 at most), because the missing pushes may still be on their way; after
 * 20 ms the missing events are read from the inbox. So a device never sees a hole, whatever was lost or overtaken.
 *
 * Edge cases:
 * - The inbox has another epoch (Redis lost its data): devices are told by an empty DELIVER, and resync.
 * - Pushes that arrive before the user's first session is open wait like early ones: `next` is not known yet.
 * - A device whose window or socket is full leaves the live stream and is served from the inbox.
 */
import { detached, guarded } from "@carillon/base";
import { ask, type Bus, type InboxPage, inboxRead } from "@carillon/bus";
import {
  CloseCode,
  type EventHead,
  encodeDeliverFrame,
  fitsSizes,
  type InboxEntry,
  peekEvent,
} from "@carillon/protocol";
import { type Flushable, turnCork } from "../accept/client-connection";
import type { GatewayMetrics } from "../metrics";
import type { Session } from "../session/session";

const MOST_EARLY = 256;
const HOLE_PATIENCE_MS = 20;
const RETRY_MS = 500;

/** Reads the events of a user's inbox above the number `after`. */
export type ReadInbox = (userId: string, inboxEpoch: string, after: number) => Promise<InboxPage>;

/** Reads through a worker: a gateway itself never talks to Redis. Rejects with CarillonError BUSY. */
export function inboxReader(bus: Bus): ReadInbox {
  return (userId, inboxEpoch, after) => ask(bus, inboxRead, { userId, epoch: inboxEpoch, after });
}

export interface UserInboxOptions {
  userId: string;
  readInbox: ReadInbox;
  /** `Resend`: told of each session to which events were sent, so that it sends them again without an acknowledgement. */
  resend: { sent(session: Session): void };
  /** `Renewal`: asked to register the user's sessions again when the inbox has a new epoch: the new Redis may not know them. */
  renewal: { request(userIds: string[]): void };
  metrics: Pick<GatewayMetrics, "delivered" | "repairs">;
}

interface PendingEvent extends InboxEntry {
  head: EventHead;
}

export class UserInbox implements Flushable {
  readonly sessions = new Set<Session>();
  private inboxEpoch: string | undefined;
  private next = 0;
  private readonly early = new Map<number, { inboxEpoch: string; event: Uint8Array }>();
  /** Events in order, which are written at the end of this turn of the event loop. */
  private pending: PendingEvent[] = [];
  private holeTimer: NodeJS.Timeout | undefined;
  private repairing = false;
  private closed = false;

  constructor(private readonly options: UserInboxOptions) {}

  /** A worker pushes an event. */
  push(inboxEpoch: string, inboxSeq: number, event: Uint8Array): void {
    if (this.inboxEpoch === undefined || (inboxEpoch === this.inboxEpoch && inboxSeq > this.next)) {
      if (this.early.size < MOST_EARLY) this.early.set(inboxSeq, { inboxEpoch, event });
      if (this.inboxEpoch !== undefined) this.awaitHole();
      return;
    }
    if (inboxEpoch !== this.inboxEpoch) this.beginEpoch(inboxEpoch);
    if (inboxSeq > this.next) return this.push(inboxEpoch, inboxSeq, event);
    if (inboxSeq < this.next) return;
    this.take(inboxSeq, event);
    this.takeEarly();
  }

  /** A worker says that the last number of the inbox is `seq`: missing events are fetched. */
  expect(inboxEpoch: string, seq: number): void {
    if (this.inboxEpoch === undefined) {
      this.inboxEpoch = inboxEpoch;
      this.next = seq + 1;
      for (const [number, early] of this.early) {
        if (early.inboxEpoch !== inboxEpoch || number <= seq) this.early.delete(number);
      }
      this.takeEarly();
      if (this.early.size > 0) this.awaitHole();
      return;
    }
    if (inboxEpoch !== this.inboxEpoch) this.beginEpoch(inboxEpoch);
    if (seq >= this.next) this.awaitHole();
  }

  /** As `expect`, if the user's first session is open; otherwise the inbox learns its last number when a session opens. */
  expectIfOpen(inboxEpoch: string, seq: number): void {
    if (this.inboxEpoch !== undefined) this.expect(inboxEpoch, seq);
  }

  /**
   * Serves a session that has opened; its delivery cursor says which events the device has.
   * @param first a page of the inbox behind that place, which the worker has already read
   */
  join(session: Session, first?: InboxPage): void {
    this.sessions.add(session);
    this.serve(session, first);
  }

  leave(session: Session): void {
    this.sessions.delete(session);
  }

  /** The user's last session here is closed. */
  close(): void {
    this.closed = true;
    clearTimeout(this.holeTimer);
  }

  /** Serves a device that may have room for events: it acknowledged some, or its socket drained. */
  serve(session: Session, first?: InboxPage): void {
    const cursor = session.delivery!;
    if (cursor.mode === "live" || cursor.reading || !session.isOpen) return;
    if (session.isSlow || cursor.room <= 0) return;
    const ahead = cursor.inboxEpoch === this.inboxEpoch ? cursor.sentSeq - this.flushedSeq : Number.NaN;
    if (ahead === 0) cursor.mode = "live";
    // The store was ahead of the pushes when the session opened; the device goes live when the pushes have come so far.
    else if (ahead > 0) this.awaitHole();
    else {
      const { remote } = session.connection;
      detached("inbox", this.readTo(session, first), { remote, end: () => session.close(CloseCode.INTERNAL) });
    }
  }

  flush(): void {
    const events = this.pending;
    this.pending = [];
    if (events.length === 0) return;
    const before = events[0]!.inboxSeq - 1;
    for (let at = 0; at < events.length; ) {
      const count = Math.max(1, fitsSizes(events.slice(at).map(({ event }) => event.length)));
      const part = events.slice(at, at + count);
      const frame = encodeDeliverFrame(this.inboxEpoch!, part);
      for (const session of this.sessions) this.deliverLive(session, before + at, part, frame);
      at += count;
    }
    for (const session of this.sessions) this.serve(session);
  }

  /** Number of the last event that live devices were sent. */
  private get flushedSeq(): number {
    return this.pending.length > 0 ? this.pending[0]!.inboxSeq - 1 : this.next - 1;
  }

  private take(inboxSeq: number, event: Uint8Array): void {
    this.next = inboxSeq + 1;
    if (this.pending.push({ inboxSeq, event, head: peekEvent(event) }) === 1) turnCork.add(this);
  }

  private takeEarly(): void {
    let early = this.early.get(this.next);
    while (early !== undefined) {
      this.early.delete(this.next);
      this.take(this.next, early.event);
      early = this.early.get(this.next);
    }
  }

  private deliverLive(session: Session, before: number, part: PendingEvent[], frame: Uint8Array): void {
    const cursor = session.delivery;
    if (cursor === undefined || cursor.mode !== "live" || !session.isOpen) return;
    if (cursor.sentSeq !== before || cursor.room < part.length || session.isSlow) {
      cursor.mode = "behind";
      return;
    }
    session.connection.send(frame);
    for (const { inboxSeq, head } of part) cursor.sent(inboxSeq, head);
    this.countSent(session, part.length);
  }

  /** Serves a device from the inbox, page by page, until it has caught up with the live stream. */
  private async readTo(session: Session, first?: InboxPage): Promise<void> {
    const cursor = session.delivery!;
    cursor.reading = true;
    try {
      const { inboxEpoch, sentSeq } = cursor;
      const page = first ?? (await this.options.readInbox(this.options.userId, inboxEpoch, sentSeq));
      if (!session.isOpen || !this.sessions.has(session)) return;
      // The page does not begin at the cursor any more: the device acknowledged events, or the cursor was rewound.
      const isStale = cursor.inboxEpoch !== inboxEpoch || cursor.sentSeq !== sentSeq;
      if (!isStale) {
        if (page.epoch !== inboxEpoch) return this.beginEpoch(page.epoch);
        if (!this.writePage(session, page)) return session.close(CloseCode.INTERNAL);
        if (page.seq >= this.next) this.awaitHole();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      cursor.reading = false;
    }
    if (session.isOpen && this.sessions.has(session)) this.serve(session);
  }

  /** @returns false when the inbox no longer holds the next event of the device, which then has to connect and resync */
  private writePage(session: Session, page: InboxPage): boolean {
    const cursor = session.delivery!;
    const events = page.events.slice(0, cursor.room);
    if (events.length === 0) return page.seq <= cursor.sentSeq || cursor.room <= 0;
    if (events[0]![0] !== cursor.sentSeq + 1) return false;
    const entries = events.map(([inboxSeq, event]) => ({ inboxSeq, event }));
    session.connection.send(encodeDeliverFrame(cursor.inboxEpoch, entries));
    for (const { inboxSeq, event } of entries) cursor.sent(inboxSeq, peekEvent(event));
    this.countSent(session, entries.length);
    return true;
  }

  private countSent(session: Session, events: number): void {
    this.options.metrics.delivered.inc(events);
    this.options.resend.sent(session);
  }

  /** The inbox has a new epoch: former numbers mean nothing, and every device has to resync. */
  private beginEpoch(inboxEpoch: string): void {
    this.flush();
    this.inboxEpoch = inboxEpoch;
    this.next = 1;
    this.early.clear();
    this.options.renewal.request([this.options.userId]);
    const frame = encodeDeliverFrame(inboxEpoch, []);
    for (const session of this.sessions) {
      if (session.delivery === undefined || !session.isOpen || session.delivery.inboxEpoch === inboxEpoch) continue;
      session.delivery.reset(inboxEpoch, 0);
      session.connection.send(frame);
      this.serve(session);
    }
  }

  private awaitHole(): void {
    if (this.holeTimer !== undefined || this.repairing || this.closed) return;
    const repair = () => {
      this.holeTimer = undefined;
      return this.repair();
    };
    this.holeTimer = setTimeout(guarded("timer", repair), HOLE_PATIENCE_MS);
  }

  /** Reads the events that are missing before the early ones, or up to the head of the inbox. */
  private async repair(): Promise<void> {
    if (this.inboxEpoch === undefined) return;
    this.repairing = true;
    let more = false;
    try {
      const after = this.next - 1;
      this.options.metrics.repairs.inc();
      const page = await this.options.readInbox(this.options.userId, this.inboxEpoch, after);
      if (this.closed) return;
      if (page.epoch !== this.inboxEpoch) this.beginEpoch(page.epoch);
      else if (page.events.length > 0 && page.events[0]![0] > this.next) this.skipTo(page.events[0]![0]);
      for (const [inboxSeq, event] of page.events) if (inboxSeq === this.next) this.take(inboxSeq, event);
      this.takeEarly();
      more = page.seq >= this.next;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      more = true;
    } finally {
      this.repairing = false;
    }
    if (more) this.awaitHole();
  }

  /** The inbox was trimmed beyond the missing events: live devices leave the live stream and are served from the inbox. */
  private skipTo(first: number): void {
    this.flush();
    this.next = first;
    for (const number of this.early.keys()) if (number < first) this.early.delete(number);
    for (const session of this.sessions) {
      if (session.delivery?.mode === "live") session.delivery.mode = "behind";
    }
  }
}
