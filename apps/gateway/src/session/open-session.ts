/** CONNECT: who is it, does he belong here, where does his device go on. Ends in CONNECTED, GOAWAY or a close. */
import type { VerifiedToken } from "@carillon/base/node";
import { ask, type Bus, type SessionOpen, type SessionOpened, subjects, TIMINGS } from "@carillon/bus";
import {
  type CarillonError,
  CloseCode,
  Command,
  type ConnectionLimits,
  type ConnectPayload,
  type GatewayAddress,
} from "@carillon/protocol";
import type { IncomingFrame } from "../accept/client-connection";
import type { DeliveryCursor } from "../deliver/delivery-cursor";
import type { Placement } from "./placement";
import type { Session } from "./session";
import { type Identity, identityOf } from "./session-state";
import type { UserRegistry } from "./user-registry";
import { WaitingRoom } from "./waiting-room";

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
  placement: Placement;
  users: UserRegistry;
  verify(token: string): VerifiedToken | "expired" | "invalid";
  /** Where a device goes on in its inbox. */
  newCursor(epoch: string, from: number): DeliveryCursor;
  /** Handles frames that were held while the session was being opened. */
  process(session: Session, frame: IncomingFrame): void;
  /** CONNECT was answered by BUSY: the client has its time to log in anew. */
  onPutOff(session: Session): void;
  /** The device has more than was reported of it: its private conversations are delivered up to these numbers. */
  onDelivered(userId: string, marks: SessionOpened["delivered"]): void;
  /** It was closed before it was open, and is registered now. */
  onLeft(session: Session, identity: Identity): void;
  /** A session opened: its deadlines begin. */
  onOpened(session: Session): void;
}

export class SessionOpener {
  private readonly room: WaitingRoom;

  constructor(private readonly options: OpenSessionOptions) {
    this.room = new WaitingRoom(AT_ONCE, TIMINGS.connectTurnMs, () => options.bus.clock.monotonic());
  }

  async open(session: Session, requestId: number, payload: ConnectPayload): Promise<void> {
    const { bus, placement, users } = this.options;
    const token = this.checkToken(payload);
    if (typeof token === "string") return this.refuse(session, requestId, token);
    const { userId } = token;
    const place = placement.judge(userId, payload.fallback === true, bus.clock.monotonic());
    if (place !== "here" && place !== "fallback") return this.sendOn(session, requestId, place);
    if (place === "fallback") session.keepUntil = bus.clock.monotonic() + FALLBACK_STAYS_MS;
    const identity = identityOf(token);
    const opening = { phase: "opening" as const, identity, held: [] as IncomingFrame[] };
    session.state = opening;
    session.since = bus.clock.now();
    const user = users.enter(userId, session);
    let opened: SessionOpened | undefined;
    try {
      const question = this.question(session, identity, payload.inbox);
      const register = () => ask<SessionOpen, SessionOpened>(bus, subjects.sessionOpen, question);
      opened = await this.room.run(async () => (session.state === opening ? register() : undefined));
    } catch (error) {
      if (session.state === opening) this.fail(session, requestId, error as CarillonError);
      else this.options.onLeft(session, identity);
      return;
    }
    // The client had gone before its turn came.
    if (opened === undefined) return;
    // The client went away while the answer was on its way. That it left may have been told before it was registered.
    if (session.state !== opening) return this.options.onLeft(session, identity);
    session.state = { phase: "open", identity, tokenExpiresAt: token.expiresAt };
    session.delivery = this.options.newCursor(opened.inbox.epoch, opened.from);
    this.confirm(session, requestId, opened);
    user.inbox.expect(opened.inbox.epoch, opened.inbox.seq);
    user.inbox.join(session, opened.page);
    this.options.onDelivered(userId, opened.delivered);
    this.options.onOpened(session);
    for (const frame of opening.held) this.options.process(session, frame);
  }

  /**
   * Registers an open session again, under what it is and where it stands now. What it missed meanwhile is fetched.
   * @throws CarillonError BUSY when nobody could be asked
   */
  async renew(session: Session): Promise<void> {
    const { bus, users } = this.options;
    const { identity, delivery } = session;
    if (!session.isOpen || identity === undefined || delivery === undefined) return;
    const question = this.question(session, identity, { epoch: delivery.epoch, seq: delivery.acked });
    try {
      const { inbox, delivered } = await ask<SessionOpen, SessionOpened>(bus, subjects.sessionOpen, question);
      this.options.onDelivered(identity.userId, delivered);
      users.user(identity.userId)?.inbox.expectIfOpen(inbox.epoch, inbox.seq);
    } catch (error) {
      const { name } = error as CarillonError;
      if (name === "BUSY" || name === "INTERNAL") throw error;
      session.kick(closeCodeOf(name));
    }
  }

  private checkToken(payload: ConnectPayload): VerifiedToken | "NOT_AUTHENTICATED" | "TOKEN_EXPIRED" {
    const token = this.options.verify(payload.token);
    if (token === "expired") return "TOKEN_EXPIRED";
    if (token === "invalid") return "NOT_AUTHENTICATED";
    const own = token.deviceId === payload.deviceId && token.platform === payload.platform;
    return own ? token : "NOT_AUTHENTICATED";
  }

  private refuse(session: Session, requestId: number, name: "NOT_AUTHENTICATED" | "TOKEN_EXPIRED"): void {
    this.logRefusal(session, name);
    session.refuse(requestId, name);
    session.kick(name === "TOKEN_EXPIRED" ? CloseCode.TOKEN_EXPIRED : CloseCode.NOT_AUTHENTICATED);
  }

  private sendOn(session: Session, requestId: number, reconnectTo: GatewayAddress | undefined): void {
    const payload = { reason: "wrong-gateway", afterMs: 0, graceMs: 0 };
    session.reply(Command.GOAWAY, requestId, reconnectTo === undefined ? payload : { ...payload, reconnectTo });
    session.close(CloseCode.GOING_AWAY);
  }

  private question(session: Session, identity: Identity, inbox: SessionOpen["inbox"]): SessionOpen {
    const { nodeId, boot } = this.options;
    const { number: connection, since } = session;
    return { ...identity, gateway: nodeId, boot, connection, since, ...(inbox === undefined ? {} : { inbox }) };
  }

  /** BUSY leaves the client connected: it may try again on the same connection. */
  private fail(session: Session, requestId: number, error: CarillonError): void {
    const { identity } = session;
    session.replyError(requestId, error);
    if (identity !== undefined) this.options.users.leave(identity.userId, session);
    this.logRefusal(session, error.name, identity?.userId);
    if (error.name !== "BUSY") return session.kick(closeCodeOf(error.name));
    session.state = { phase: "new" };
    this.options.onPutOff(session);
  }

  /** Whoever looks for an attack wants to know from where. */
  private logRefusal({ connection }: Session, error: string, userId?: string): void {
    const { logger } = this.options.bus;
    if (error !== "BUSY") logger.info({ remote: connection.remote, userId, error }, "a CONNECT was refused");
    else logger.debug({ remote: connection.remote, userId }, "a CONNECT was put off");
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
