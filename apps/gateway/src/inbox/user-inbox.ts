/**
 * One user's inbox as this gateway sees it: the place where pushes of several workers come together in the order
 * of the inbox, and from where they go to all of the user's devices here.
 *
 * The idea: `next` is the number that has to come. A push with it goes out, with those behind it that came early.
 * A push beyond it waits (256 at most) while the missing ones may still be on their way; after 20 ms they are read
 * from the inbox. So a device never sees a hole, whatever was lost or overtaken.
 *
 * Edge cases:
 * - The inbox has another epoch (Redis began anew): devices are told by an empty DELIVER and resync.
 * - Pushes that arrive before the user's first session is open wait like early ones: `next` is not known yet.
 * - A device whose window or socket is full leaves the live stream and is served from the inbox.
 */
import { detached, guarded } from "@carillon/base";
import { ask, type Bus, type InboxPage, type InboxRead, subjects } from "@carillon/bus";
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
export type ReadInbox = (userId: string, epoch: string, after: number) => Promise<InboxPage>;

/** Reads through a worker: a gateway itself never talks to Redis. Rejects with CarillonError BUSY. */
export function inboxReader(bus: Bus): ReadInbox {
  return (userId, epoch, after) => ask<InboxRead, InboxPage>(bus, subjects.inbox, { userId, epoch, after });
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
  private epoch: string | undefined;
  private next = 0;
  private readonly early = new Map<number, { epoch: string; event: Uint8Array }>();
  /** In order, to be written at the end of the turn. */
  private pending: PendingEvent[] = [];
  private holeTimer: NodeJS.Timeout | undefined;
  private repairing = false;
  private closed = false;

  constructor(private readonly options: UserInboxOptions) {}

  /** A push from a worker. */
  push(epoch: string, inboxSeq: number, event: Uint8Array): void {
    if (this.epoch === undefined || (epoch === this.epoch && inboxSeq > this.next)) {
      if (this.early.size < MOST_EARLY) this.early.set(inboxSeq, { epoch, event });
      if (this.epoch !== undefined) this.awaitHole();
      return;
    }
    if (epoch !== this.epoch) this.beginEpoch(epoch);
    if (inboxSeq > this.next) return this.push(epoch, inboxSeq, event);
    if (inboxSeq < this.next) return;
    this.take(inboxSeq, event);
    this.takeEarly();
  }

  /** The inbox stands at this number, by the store's own word: what is missing here is fetched. */
  expect(epoch: string, seq: number): void {
    if (this.epoch === undefined) {
      this.epoch = epoch;
      this.next = seq + 1;
      for (const [number, early] of this.early) {
        if (early.epoch !== epoch || number <= seq) this.early.delete(number);
      }
      this.takeEarly();
      if (this.early.size > 0) this.awaitHole();
      return;
    }
    if (epoch !== this.epoch) this.beginEpoch(epoch);
    if (seq >= this.next) this.awaitHole();
  }

  /** As `expect`, for an inbox whose first session is open; another one learns its place when it opens. */
  expectIfOpen(epoch: string, seq: number): void {
    if (this.epoch !== undefined) this.expect(epoch, seq);
  }

  /**
   * An opened session joins; its delivery cursor says what the device has.
   * @param first what was read of the inbox behind that place meanwhile
   */
  join(session: Session, first?: InboxPage): void {
    this.sessions.add(session);
    this.serve(session, first);
  }

  leave(session: Session): void {
    this.sessions.delete(session);
  }

  /** The user's last session is gone. */
  close(): void {
    this.closed = true;
    clearTimeout(this.holeTimer);
  }

  /** A device acknowledged, or its socket drained: it may have room again. */
  serve(session: Session, first?: InboxPage): void {
    const cursor = session.delivery!;
    if (cursor.mode === "live" || cursor.reading || !session.isOpen) return;
    if (session.isSlow || cursor.room <= 0) return;
    const ahead = cursor.epoch === this.epoch ? cursor.sentSeq - this.flushedSeq : Number.NaN;
    if (ahead === 0) cursor.mode = "live";
    // The store was ahead of the pushes when the session opened; it joins the stream when that has come so far.
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
      const frame = encodeDeliverFrame(this.epoch!, part);
      for (const session of this.sessions) this.deliverLive(session, before + at, part, frame);
      at += count;
    }
    for (const session of this.sessions) this.serve(session);
  }

  /** Number of the last event that was written to live devices. */
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

  /** Serves a device from the inbox, page by page, until it is where the live stream is. */
  private async readTo(session: Session, first?: InboxPage): Promise<void> {
    const cursor = session.delivery!;
    cursor.reading = true;
    try {
      const { epoch, sentSeq } = cursor;
      const page = first ?? (await this.options.readInbox(this.options.userId, epoch, sentSeq));
      if (!session.isOpen || !this.sessions.has(session)) return;
      // What was asked for is no longer what comes next: the device acknowledged, or its cursor was moved.
      const isStale = cursor.epoch !== epoch || cursor.sentSeq !== sentSeq;
      if (!isStale) {
        if (page.epoch !== epoch) return this.beginEpoch(page.epoch);
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

  /** @returns false when the inbox no longer holds what comes next: the device starts over, with a resync */
  private writePage(session: Session, page: InboxPage): boolean {
    const cursor = session.delivery!;
    const events = page.events.slice(0, cursor.room);
    if (events.length === 0) return page.seq <= cursor.sentSeq || cursor.room <= 0;
    if (events[0]![0] !== cursor.sentSeq + 1) return false;
    const entries = events.map(([inboxSeq, event]) => ({ inboxSeq, event }));
    session.connection.send(encodeDeliverFrame(cursor.epoch, entries));
    for (const { inboxSeq, event } of entries) cursor.sent(inboxSeq, peekEvent(event));
    this.countSent(session, entries.length);
    return true;
  }

  private countSent(session: Session, events: number): void {
    this.options.metrics.delivered.inc(events);
    this.options.resend.sent(session);
  }

  /** The inbox began anew: nothing of before counts, and every device has to resync. */
  private beginEpoch(epoch: string): void {
    this.flush();
    this.epoch = epoch;
    this.next = 1;
    this.early.clear();
    this.options.renewal.request([this.options.userId]);
    const frame = encodeDeliverFrame(epoch, []);
    for (const session of this.sessions) {
      if (session.delivery === undefined || !session.isOpen || session.delivery.epoch === epoch) continue;
      session.delivery.reset(epoch, 0);
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

  /** Reads what is missing before the early ones, or up to the head. */
  private async repair(): Promise<void> {
    if (this.epoch === undefined) return;
    this.repairing = true;
    let more = false;
    try {
      const after = this.next - 1;
      this.options.metrics.repairs.inc();
      const page = await this.options.readInbox(this.options.userId, this.epoch, after);
      if (this.closed) return;
      if (page.epoch !== this.epoch) this.beginEpoch(page.epoch);
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

  /** The inbox was trimmed past what is missing: live devices lost the thread and are served anew. */
  private skipTo(first: number): void {
    this.flush();
    this.next = first;
    for (const number of this.early.keys()) if (number < first) this.early.delete(number);
    for (const session of this.sessions) {
      if (session.delivery?.mode === "live") session.delivery.mode = "behind";
    }
  }
}
