/**
 * Sending clients to another gateway, paced: when the ring changed (rebalance) or this gateway leaves (drain). A
 * client opens its new connection before it closes this one; what it does not close itself is closed after the
 * grace time.
 *
 * A gateway that lost its lease only offers another place: who finds a working one moves, the others stay, because
 * the other gateways may be no better off.
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

/** Orders of operators to this gateway, over `im.ctl.gateway.<node>`: drain, undrain, kick, tell the state. */
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

  /** Leaves the ring and sends everybody away, paced. */
  async drain(reason: "drain" | "shutdown"): Promise<void> {
    const { cluster, drain, graceMs } = this.options;
    await cluster.member!.setState("draining").catch(() => {
      // Without NATS the ring cannot be told; the clients can.
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
