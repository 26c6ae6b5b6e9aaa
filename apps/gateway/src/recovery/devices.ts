/** The repairs at devices: unacknowledged events are sent again, and devices are told to SYNC when notices may be lost. */
import { guarded, sleep, type TimerWheel, type WheelEntry } from "@carillon/base";
import { CloseCode, Command, encodeFrame } from "@carillon/protocol";
import type { GatewayMetrics } from "../metrics";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import { PACES } from "./causes";

const WAITS_MS = PACES.events.afterMs;

export interface ResendOptions {
  wheel: TimerWheel;
  users: Pick<UserRegistry, "serve">;
  metrics: Pick<GatewayMetrics, "resent">;
}

interface Waiting extends WheelEntry {
  /** How often the oldest unacknowledged event was sent. */
  sendings: number;
}

/**
 * Sends events again that a device does not acknowledge: a transport that loses frames needs that, and so does an app that
 * lost what it had received. After 5 s without progress everything unacknowledged is sent again from the inbox, and once
 * more after another 10 s. After another 20 s the connection is closed; the inbox keeps the events.
 */
export class Resend {
  private readonly waiting = new Map<Session, Waiting>();

  constructor(private readonly options: ResendOptions) {}

  /** Events were sent to the device: from now on the device has to acknowledge them. */
  sent(session: Session): void {
    if (this.waiting.has(session)) return;
    const entry: Waiting = { due: -1, sendings: 1, expire: () => this.expire(session, entry) };
    this.waiting.set(session, entry);
    this.options.wheel.set(entry, WAITS_MS[0]);
  }

  /** The device acknowledged something: the time begins again if it still has something to acknowledge. */
  progressed(session: Session): void {
    this.end(session);
    if (session.delivery!.isAwaiting) this.sent(session);
  }

  end(session: Session): void {
    const entry = this.waiting.get(session);
    if (entry === undefined) return;
    this.options.wheel.cancel(entry);
    this.waiting.delete(session);
  }

  private expire(session: Session, entry: Waiting): void {
    const { users, metrics } = this.options;
    const cursor = session.delivery!;
    if (!cursor.isAwaiting) {
      this.waiting.delete(session);
      return;
    }
    const wait = WAITS_MS[entry.sendings];
    if (wait === undefined) {
      this.waiting.delete(session);
      session.kick(CloseCode.SLOW_READER);
      return;
    }
    entry.sendings++;
    this.options.wheel.set(entry, wait);
    metrics.resent.inc();
    cursor.rewind();
    users.serve(session);
  }
}

const STEP_MS = 50;

/**
 * Tells all devices here to SYNC when updates of marks may be lost: such updates are in no inbox, and SYNC brings the marks.
 * Not at once, because workers gather marks before MySQL has them; and paced, because every device asks then.
 */
export class NoticeRepair {
  private timer: NodeJS.Timeout | undefined;
  private isWantedAgain = false;
  private readonly stopping = new AbortController();

  /** @param perSecond devices that are told in a second */
  constructor(
    private readonly users: Pick<UserRegistry, "sessions">,
    private readonly perSecond: number,
  ) {}

  /** Updates may be lost: every device that is here after the pause is told. */
  request(): void {
    this.isWantedAgain = this.timer !== undefined;
    this.timer ??= setTimeout(
      guarded("timer", () => this.notifyAll()),
      PACES.marks.afterMs,
    );
  }

  stop(): void {
    clearTimeout(this.timer);
    this.stopping.abort();
  }

  private async notifyAll(): Promise<void> {
    const { signal } = this.stopping;
    const perStep = Math.max(1, Math.round((this.perSecond * STEP_MS) / 1_000));
    const frame = encodeFrame(Command.CHANGED, 0, { what: "conversation-settings", version: 0 });
    const sessions = [...this.users.sessions.values()];
    for (let at = 0; at < sessions.length && !signal.aborted; at += perStep) {
      for (const session of sessions.slice(at, at + perStep)) if (session.isOpen) session.connection.send(frame);
      await sleep(STEP_MS, signal);
    }
    this.timer = undefined;
    if (this.isWantedAgain && !signal.aborted) this.request();
  }
}
