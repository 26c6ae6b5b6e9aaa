/**
 * Sending clients to another gateway, paced: when the ring changed (rebalance) or this gateway leaves (drain). A
 * client opens its new connection before it closes this one; what it does not close itself is closed after the
 * grace time.
 *
 * A gateway that lost its lease only offers another place: who finds a working one moves, the others stay, because
 * the other gateways may be no better off.
 */
import { type Clock, guarded, sleep } from "@carillon/base";
import { CloseCode, Command, type GatewayAddress } from "@carillon/protocol";
import type { Placement } from "../session/placement";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";

const GRACE_MS = 10_000;
const STEP_MS = 50;
/** An offer is good for so long; nobody is closed at its end. */
const OFFER_MS = 60_000;
/** Clients spread their reconnects over this time. */
const SPREAD_MS = 1_000;

export interface DrainOptions {
  users: Pick<UserRegistry, "sessions">;
  placement: Pick<Placement, "elsewhere" | "withoutMe">;
  clock: Pick<Clock, "monotonic">;
  /** GOAWAYs in a second. */
  perSecond: number;
}

export class Drain {
  private round = 0;

  constructor(private readonly options: DrainOptions) {}

  /**
   * Sends away who belongs elsewhere. A later call replaces one that is under way.
   * @param everybody also those that belong here: the gateway leaves
   * @param graceMs time until connections are closed
   */
  async send(reason: "rebalance" | "drain" | "shutdown", everybody: boolean, graceMs = GRACE_MS): Promise<void> {
    await this.goAway(reason, everybody, graceMs, (session) => {
      const close = guarded("timer", () => session.close(CloseCode.GOING_AWAY));
      setTimeout(close, graceMs).unref();
    });
  }

  /** Offers everybody another gateway and closes nobody. */
  async offer(): Promise<void> {
    await this.goAway("rebalance", true, OFFER_MS, () => {});
  }

  /** This gateway works again: who stayed can be sent away once more, when there is a reason. */
  cancel(): void {
    this.round++;
    for (const session of this.options.users.sessions.values()) session.goawaySent = false;
  }

  private async goAway(
    reason: "rebalance" | "drain" | "shutdown",
    everybody: boolean,
    graceMs: number,
    afterwards: (session: Session) => void,
  ): Promise<void> {
    const { users, perSecond } = this.options;
    const round = ++this.round;
    const perStep = Math.max(1, Math.round((perSecond * STEP_MS) / 1_000));
    let sent = 0;
    for (const session of [...users.sessions.values()]) {
      if (!session.isOpen || session.goawaySent) continue;
      const reconnectTo = this.destination(session, everybody);
      if (reconnectTo === undefined && !everybody) continue;
      session.goawaySent = true;
      const afterMs = Math.floor(Math.random() * Math.min(SPREAD_MS, graceMs / 2));
      const payload = { reason, afterMs, graceMs };
      session.reply(Command.GOAWAY, 0, reconnectTo === undefined ? payload : { ...payload, reconnectTo });
      afterwards(session);
      if (++sent % perStep === 0) {
        await sleep(STEP_MS);
        if (round !== this.round) return;
      }
    }
  }

  /** The address of the gateway where a session belongs, if not here; or where it goes when this gateway leaves. */
  private destination({ identity, keepUntil }: Session, isLeaving: boolean): GatewayAddress | undefined {
    const { placement, clock } = this.options;
    if (identity === undefined) return undefined;
    if (isLeaving) return placement.withoutMe(identity.userId);
    return keepUntil > clock.monotonic() ? undefined : placement.elsewhere(identity.userId);
  }
}
