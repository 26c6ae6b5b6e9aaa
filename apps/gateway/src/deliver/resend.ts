/**
 * Sending again what a device does not acknowledge. A transport that loses frames needs it, and so does an app that
 * lost what it was given. After 5 s without any progress everything unacknowledged is sent again from the inbox,
 * after 10 s more once again; after another 20 s the connection is given up, and the inbox keeps everything.
 */
import type { TimerWheel, WheelEntry } from "@carillon/base";
import { CloseCode } from "@carillon/protocol";
import type { GatewayMetrics } from "../metrics";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";

const WAITS_MS = [5_000, 10_000, 20_000];

export interface ResendOptions {
  wheel: TimerWheel;
  users: Pick<UserRegistry, "serve">;
  metrics: Pick<GatewayMetrics, "resent">;
}

interface Waiting extends WheelEntry {
  /** Sendings of the oldest unacknowledged event so far. */
  sendings: number;
}

export class Resend {
  private readonly waiting = new Map<Session, Waiting>();

  constructor(private readonly options: ResendOptions) {}

  /** Something was sent: from now on it is waited for. */
  sent(session: Session): void {
    if (this.waiting.has(session)) return;
    const entry: Waiting = { due: -1, sendings: 1, expire: () => this.expire(session, entry) };
    this.waiting.set(session, entry);
    this.options.wheel.set(entry, WAITS_MS[0]!);
  }

  /** The device acknowledged something: patience begins anew, if there is still something to wait for. */
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
