/**
 * CONNECT: verifies the token, looks up whether the user belongs to this gateway, and has a worker register the device, which
 * also says where the device continues in its inbox. Ends in CONNECTED, GOAWAY, BUSY or a close.
 */
import { Admission, type Asker, type Clock, Overloaded } from "@carillon/base";
import { type TokenVerifier, traceOf, type VerifiedToken } from "@carillon/base/node";
import { ask, type Bus, type SessionOpen, type SessionOpened, sessionOpen, TIMINGS } from "@carillon/bus";
import {
  busy,
  type CarillonError,
  CloseCode,
  Command,
  type ConnectionLimits,
  type ConnectPayload,
  type GatewayAddress,
} from "@carillon/protocol";
import type { DeviceOfUser, IncomingFrame } from "../accept/client-connection";
import { DeliveryCursor } from "./delivery-cursor";
import type { GatewayCluster, Placement } from "./placement";
import type { Session } from "./session";
import { type Identity, identityOf } from "./session-state";
import type { SessionWatch } from "./session-watch";
import type { UserRegistry } from "./user-registry";

/** A fallback connection is not sent back before this time, ms. */
const FALLBACK_STAYS_MS = 600_000;
/** Sessions that a gateway opens at once. */
const AT_ONCE = 32;

export interface OpenSessionOptions {
  bus: Bus;
  nodeId: string;
  boot: string;
  heartbeatSeconds: number;
  limits: ConnectionLimits;
  cluster: Pick<GatewayCluster, "isCutOff">;
  placement: Placement;
  users: UserRegistry;
  watch: Pick<SessionWatch, "begin" | "opened">;
  tokens: Pick<TokenVerifier, "verify">;
}

/** How a CONNECT ended. */
export type Opening =
  /** CONNECTED was sent. `held`: frames that the client sent meanwhile, which have not been processed. */
  | { end: "open"; identity: Identity; delivered: SessionOpened["delivered"]; held: IncomingFrame[] }
  /** The client closed the connection while a worker was asked; the session may be registered all the same. */
  | { end: "disconnected"; identity: Identity }
  /** ERROR or GOAWAY was sent, or the client closed the connection before a worker was asked. */
  | { end: "refused" };

const REFUSED: Opening = { end: "refused" };

export class SessionOpener {
  private readonly room: WaitingRoom;

  constructor(private readonly options: OpenSessionOptions) {
    this.room = new WaitingRoom(AT_ONCE, TIMINGS.connectTurnMs, options.bus.clock);
  }

  async open(session: Session, requestId: number, payload: ConnectPayload): Promise<Opening> {
    const { bus, cluster, placement, users } = this.options;
    const token = this.checkToken(payload, session.connection.owner);
    if (token === "BUSY") return this.fail(session, requestId, busy());
    if (typeof token === "string") return this.refuse(session, requestId, token);
    // The process was stopped or cut off: its clients may have opened later sessions elsewhere, which this one would replace.
    if (cluster.isCutOff) return this.fail(session, requestId, busy());
    const { userId } = token;
    const place = placement.judge(
      userId,
      payload.fallback === true,
      bus.clock.monotonic(),
      session.connection.transport,
    );
    if (place !== "here" && place !== "fallback") return this.redirect(session, requestId, place);
    if (place === "fallback") session.keepUntil = bus.clock.monotonic() + FALLBACK_STAYS_MS;
    const identity = identityOf(token);
    const opening = { phase: "opening" as const, identity, held: [] as IncomingFrame[] };
    session.state = opening;
    session.since = bus.clock.now();
    const user = users.enter(userId, session);
    let opened: SessionOpened | undefined;
    try {
      const register = () => this.register(session, identity, payload.inbox);
      await behindConnect();
      opened = await this.room.run(async () => (session.state === opening ? register() : undefined));
    } catch (error) {
      if (session.state === opening) return this.fail(session, requestId, error as CarillonError);
      return { end: "disconnected", identity };
    }
    // The client closed the connection before its turn came.
    if (opened === undefined) return REFUSED;
    // The client closed the connection meanwhile. A worker may have processed the close before it registered the session.
    if (session.state !== opening) return { end: "disconnected", identity };
    session.state = { phase: "open", identity, tokenExpiresAt: token.expiresAt };
    session.delivery = new DeliveryCursor(opened.inbox.epoch, opened.from);
    this.confirm(session, requestId, opened);
    user.inbox.expect(opened.inbox.epoch, opened.inbox.seq);
    user.inbox.join(session, opened.page);
    this.options.watch.opened(session);
    this.traceOpened(session, identity);
    return { end: "open", identity, delivered: opened.delivered, held: opening.held };
  }

  /**
   * Has a worker register a session, or register it again.
   * @param inbox the place in the inbox up to which the device has received; undefined: none is known
   * @throws CarillonError BUSY when no worker could be asked, or the worker's refusal
   */
  register(session: Session, identity: Identity, inbox: SessionOpen["inbox"]): Promise<SessionOpened> {
    const { bus, nodeId, boot } = this.options;
    const { number: connection, since } = session;
    const place = inbox === undefined ? {} : { inbox };
    const question = { ...identity, gateway: nodeId, boot, connection, since, ...place };
    return ask(bus, sessionOpen, question);
  }

  /** @param owner the only device that may log in over this connection; undefined: each may */
  private checkToken(
    payload: ConnectPayload,
    owner: DeviceOfUser | undefined,
  ): VerifiedToken | "NOT_AUTHENTICATED" | "TOKEN_EXPIRED" | "BUSY" {
    const token = this.options.tokens.verify(payload.token);
    if (token === "expired") return "TOKEN_EXPIRED";
    if (token === "unavailable") return "BUSY";
    if (token === "invalid") return "NOT_AUTHENTICATED";
    const own = token.deviceId === payload.deviceId && token.platform === payload.platform;
    const isOwner = owner === undefined || (owner.userId === token.userId && owner.deviceId === token.deviceId);
    return own && isOwner ? token : "NOT_AUTHENTICATED";
  }

  private refuse(session: Session, requestId: number, name: "NOT_AUTHENTICATED" | "TOKEN_EXPIRED"): Opening {
    this.logRefusal(session, name);
    session.refuse(requestId, name);
    session.kick(name === "TOKEN_EXPIRED" ? CloseCode.TOKEN_EXPIRED : CloseCode.NOT_AUTHENTICATED);
    return REFUSED;
  }

  private redirect(session: Session, requestId: number, reconnectTo: GatewayAddress | undefined): Opening {
    const payload = { reason: "wrong-gateway", afterMs: 0, graceMs: 0 };
    session.reply(Command.GOAWAY, requestId, reconnectTo === undefined ? payload : { ...payload, reconnectTo });
    session.close(CloseCode.GOING_AWAY);
    return REFUSED;
  }

  /** BUSY leaves the connection open, so that the client can send CONNECT again; any other error closes it. */
  private fail(session: Session, requestId: number, error: CarillonError): Opening {
    const { identity } = session;
    session.replyError(requestId, error);
    if (identity !== undefined) this.options.users.leave(identity.userId, session);
    this.logRefusal(session, error.name, identity?.userId);
    if (error.name !== "BUSY") session.kick(closeCodeOf(error.name));
    else {
      session.state = { phase: "new" };
      this.options.watch.begin(session);
    }
    return REFUSED;
  }

  /** Logs the address with each refusal, for operators who look for an attack. */
  private logRefusal({ connection }: Session, error: string, userId?: string): void {
    const { logger } = this.options.bus;
    if (error !== "BUSY") logger.info({ remote: connection.remote, userId, error }, "a CONNECT was refused");
    else logger.debug({ remote: connection.remote, userId }, "a CONNECT was answered with BUSY");
  }

  private traceOpened({ number: session, connection }: Session, { userId, deviceId }: Identity): void {
    traceOf(this.options.bus.logger)?.({ remote: connection.remote, userId, deviceId, session }, "a session is open");
  }

  private confirm(session: Session, requestId: number, opened: SessionOpened): void {
    const { bus, nodeId, boot, heartbeatSeconds, limits } = this.options;
    session.reply(Command.CONNECTED, requestId, {
      userId: session.identity!.userId,
      sessionId: `${boot}-${session.number}`,
      gatewayId: nodeId,
      serverTime: bus.clock.now(),
      heartbeatSeconds,
      inbox: opened.inbox,
      resume: opened.resume,
      limits,
    });
  }
}

/**
 * Resolves when a FIN that came right behind CONNECT has been read as well. A client that waited too long for this process has
 * gone elsewhere; its late CONNECT must not replace the session that it has there.
 */
async function behindConnect(): Promise<void> {
  // The kernel gives FIN one turn of the event loop after the data.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The close code of a session that was refused by an error of the table. */
export function closeCodeOf(refusal: string): number {
  switch (refusal) {
    case "USER_DISABLED":
      return CloseCode.USER_DISABLED;
    case "TOKEN_REVOKED":
      return CloseCode.TOKEN_REVOKED;
    case "CONFLICT":
      return CloseCode.REPLACED;
    case "NOT_AUTHENTICATED":
      return CloseCode.NOT_AUTHENTICATED;
    default:
      return CloseCode.INTERNAL;
  }
}

/** Askers who wait at once: as many as a gateway may have connections. */
const MOST_WAITING = 20_000;
/** Askers who may wait however slow the answers are. */
const WAITING = 64;

/**
 * The place where a crowd waits that connects at the same time, because a gateway or a network was away. It waits at its
 * gateway, which has the connections anyway, and nobody else is asked before a turn has come. If the gateway asked for all
 * devices at once, the queue would only move to workers and apis, where thousands of refusals cost as much as the work.
 */
export class WaitingRoom {
  private readonly admission: Admission;

  /**
   * @param atOnce questions that the gateway asks at once
   * @param patienceMs the longest wait for a turn, ms; the question itself takes its time after that
   */
  constructor(atOnce: number, patienceMs: number, clock: Pick<Clock, "monotonic">) {
    const monotonic = () => clock.monotonic();
    this.admission = new Admission({ atOnce, waiting: WAITING, mostWaiting: MOST_WAITING, patienceMs, monotonic });
  }

  /**
   * Calls `ask`, now or when its turn has come.
   * @throws CarillonError BUSY (too many askers wait), Abandoned, or the error of `ask`
   */
  async run<T>(ask: () => Promise<T>, asker?: Asker): Promise<T> {
    try {
      return await this.admission.run(ask, asker);
    } catch (error) {
      if (!(error instanceof Overloaded)) throw error;
      throw busy({ retryAfterMs: error.retryAfterMs });
    }
  }
}
