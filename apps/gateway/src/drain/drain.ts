/**
 * Sends clients to another gateway, at a limited rate, when the ring changed (rebalance) or this gateway leaves (drain). A
 * client opens its new connection before it closes the old one; after the grace time the gateway closes what is still open.
 *
 * A gateway that lost its lease only offers another gateway: clients that reach one move, the others stay, because the other
 * gateways may have lost their leases as well.
 */
import { type Clock, guarded, sleep } from "@carillon/base";
import { type Bus, type ControlAnswer, serveControl } from "@carillon/bus";
import { CloseCode, Command, type GatewayAddress } from "@carillon/protocol";
import type { Watches } from "../presence/watches";
import type { GatewayCluster, Placement } from "../session/placement";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import type { Submitter } from "../submit/submit";

const GRACE_MS = 10_000;
const STEP_MS = 50;
/** Time for which an offer is good; no connection is closed at its end. */
const OFFER_MS = 60_000;
/** Clients spread their reconnects over this time, ms. */
const SPREAD_MS = 1_000;

/** Why clients are sent to another gateway. */
type GoAwayReason = "rebalance" | "drain" | "shutdown";

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
   * Sends GOAWAY to clients that belong to another gateway, and closes their connections later. A later call replaces a call
   * that is under way. Resolves when the last GOAWAY is sent.
   * @param isLeaving whether this gateway leaves: then clients that belong here get GOAWAY, too
   * @param graceMs time from GOAWAY to the close of a connection
   */
  async send(reason: GoAwayReason, isLeaving: boolean, graceMs = GRACE_MS): Promise<void> {
    await this.goAway(reason, isLeaving, graceMs, true);
  }

  /** Offers all clients another gateway and closes no connection. */
  async offer(): Promise<void> {
    await this.goAway("rebalance", true, OFFER_MS, false);
  }

  /** This gateway works again: no more GOAWAYs are sent now, and clients that stayed can get another GOAWAY later. */
  cancel(): void {
    this.round++;
    for (const session of this.options.users.sessions.values()) session.goawaySent = false;
  }

  private async goAway(reason: GoAwayReason, isLeaving: boolean, graceMs: number, closes: boolean): Promise<void> {
    const { users, perSecond } = this.options;
    const round = ++this.round;
    const perStep = Math.max(1, Math.round((perSecond * STEP_MS) / 1_000));
    let sent = 0;
    for (const session of [...users.sessions.values()]) {
      if (!session.isOpen || session.goawaySent) continue;
      const reconnectTo = this.destination(session, isLeaving);
      if (reconnectTo === undefined && !isLeaving) continue;
      session.goawaySent = true;
      const afterMs = Math.floor(Math.random() * Math.min(SPREAD_MS, graceMs / 2));
      const payload = { reason, afterMs, graceMs };
      session.reply(Command.GOAWAY, 0, reconnectTo === undefined ? payload : { ...payload, reconnectTo });
      if (closes) closeLater(session, graceMs);
      if (++sent % perStep === 0) {
        await sleep(STEP_MS);
        if (round !== this.round) return;
      }
    }
  }

  /** The address of the gateway where a session belongs, if not here; or where it goes when this gateway leaves. */
  private destination({ identity, keepUntil, connection }: Session, isLeaving: boolean): GatewayAddress | undefined {
    const { placement, clock } = this.options;
    if (identity === undefined) return undefined;
    if (isLeaving) return placement.withoutMe(identity.userId);
    return keepUntil > clock.monotonic() ? undefined : placement.elsewhere(identity.userId, connection.transport);
  }
}

function closeLater(session: Session, graceMs: number): void {
  const close = guarded("timer", () => session.close(CloseCode.GOING_AWAY));
  setTimeout(close, graceMs).unref();
}

const EMPTY_POLL_MS = 50;

export interface ControlOptions {
  bus: Bus;
  nodeId: string;
  users: UserRegistry;
  cluster: Pick<GatewayCluster, "member" | "fingerprint">;
  drain: Drain;
  /** Time between GOAWAY and the close of a draining gateway's connections, ms. */
  graceMs: number;
  submitter: Pick<Submitter, "waiting">;
  watches: Pick<Watches, "forget">;
}

/** Executes orders to this gateway, over `im.ctl.gateway.<node>`: state, drain, undrain, kick, forget. */
export class Control {
  private stopServing: () => void = () => {};

  constructor(private readonly options: ControlOptions) {}

  start(): void {
    const { bus, nodeId, cluster, drain, watches } = this.options;
    this.stopServing = serveControl(bus, "gateway", nodeId, {
      state: () => this.state(),
      drain: async () => void this.drain("drain"),
      undrain: async () => {
        await cluster.member!.setState("up");
        drain.cancel();
      },
      kick: (userId, deviceId) => this.kick(userId, deviceId),
      forget: ({ pairs }) => watches.forget(pairs),
    });
  }

  stop(): void {
    this.stopServing();
  }

  /** Leaves the ring and sends all clients to other gateways. Resolves when the last GOAWAY is sent. */
  async drain(reason: "drain" | "shutdown"): Promise<void> {
    const { cluster, drain, graceMs } = this.options;
    await cluster.member!.setState("draining").catch(() => {
      // Without NATS this gateway cannot leave the ring, but it can tell its clients.
    });
    await drain.send(reason, true, graceMs);
  }

  /** Resolves when no session is left, or after `ms`. */
  async emptied(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.options.users.sessions.size > 0 && performance.now() < deadline) await sleep(EMPTY_POLL_MS);
  }

  private state(): ControlAnswer {
    const { nodeId, cluster, users, submitter } = this.options;
    const load = { connections: users.sessions.size, users: users.userCount, waiting: submitter.waiting };
    return { nodeId, state: cluster.member!.record.state, load, ring: cluster.fingerprint };
  }

  private kick(userId: string, deviceId: string | undefined): number {
    const sessions = [...(this.options.users.user(userId)?.sessions ?? [])].filter(
      ({ identity }) => deviceId === undefined || identity?.deviceId === deviceId,
    );
    for (const session of sessions) session.kick(CloseCode.KICKED);
    return sessions.length;
  }
}
