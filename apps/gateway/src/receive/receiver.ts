/** What comes from clients: checked for size, rate and shape, then handed to its handler. */
import { TokenBucket } from "@carillon/base";
import type { Settings } from "@carillon/base/node";
import { type ClientMessage, CloseCode, Command, parseRequest } from "@carillon/protocol";
import type { IncomingFault, IncomingFrame } from "../accept/client-connection";
import type { Session } from "../session/session";
import { actionOn } from "../session/session-state";
import { FaultCounter } from "./rate-limit";

const BAD_PAYLOADS = 10;
const BAD_PAYLOADS_MS = 60_000;
const REFUSED_FRAMES = 1_000;
const REFUSED_FRAMES_MS = 10_000;

export interface ReceiverOptions {
  monotonic(): number;
  /** A checked message that its session's phase allows. */
  onMessage(session: Session, requestId: number, message: ClientMessage): void;
}

export class Receiver {
  constructor(private readonly options: ReceiverOptions) {}

  /** A frame of a client. */
  receive(session: Session, frame: IncomingFrame): void {
    const { state } = session;
    if (state.phase === "closed") return;
    const now = this.options.monotonic();
    session.heardAt = now;
    if (session.sentTooMuchUnauthenticated) {
      session.refuse(frame.requestId, "NOT_AUTHENTICATED", "too much was sent before CONNECT");
      return session.kick(CloseCode.NOT_AUTHENTICATED);
    }
    const wait = session.limits.frames.take(now);
    if (wait > 0) return this.refuseFast(session, frame, wait, now);
    switch (actionOn(state.phase, frame.command)) {
      case "process":
        return this.process(session, frame);
      case "hold":
        if (state.phase === "opening") state.held.push(frame);
        return;
      case "unknown":
        return session.refuse(frame.requestId, "UNKNOWN_COMMAND");
      case "refuse":
        session.refuse(frame.requestId, "NOT_AUTHENTICATED", "CONNECT comes first");
        return session.kick(CloseCode.NOT_AUTHENTICATED);
      case "ignore":
        return;
    }
  }

  /** A PING or PONG of WebSocket costs as much as a frame. @returns whether it may be answered */
  control(session: Session): boolean {
    if (session.state.phase === "closed") return false;
    const now = this.options.monotonic();
    if (session.sentTooMuchUnauthenticated) session.kick(CloseCode.NOT_AUTHENTICATED);
    else if (session.limits.frames.take(now) === 0) return true;
    else if (session.limits.refusedFrames.add(now)) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
    return false;
  }

  /** Bytes or text that are no frame. */
  fail(session: Session, fault: IncomingFault): void {
    session.heardAt = this.options.monotonic();
    if (session.state.phase === "closed") return;
    if (session.state.phase !== "open" && fault.recoverable) {
      session.refuse(fault.requestId, "NOT_AUTHENTICATED", "CONNECT comes first");
      return session.kick(CloseCode.NOT_AUTHENTICATED);
    }
    session.refuse(fault.requestId, fault.error, fault.message);
    if (!fault.recoverable) session.kick(CloseCode.PROTOCOL_ERROR);
    else if (fault.error === "BAD_PAYLOAD") this.countBadPayload(session);
  }

  /** A frame that its phase allows; also those that were held. */
  process(session: Session, frame: IncomingFrame): void {
    const message = parseRequest(frame.command, frame.payload);
    if (!("error" in message)) return this.options.onMessage(session, frame.requestId, message);
    session.refuse(frame.requestId, message.error, message.message);
    if (message.error !== "BAD_PAYLOAD") return;
    if (frame.command === Command.CONNECT) session.kick(CloseCode.NOT_AUTHENTICATED);
    else this.countBadPayload(session);
  }

  /** A request that was refused for its content after its shape was found good. */
  countBadPayload(session: Session): void {
    if (session.limits.badPayloads.add(this.options.monotonic())) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
  }

  private refuseFast(session: Session, frame: IncomingFrame, wait: number, now: number): void {
    session.refuse(frame.requestId, "RATE_LIMITED", undefined, wait);
    if (session.limits.refusedFrames.add(now)) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
  }
}

export function sessionLimits(settings: Pick<Settings["limits"], "framesPerSecond" | "framesBurst">, now: number) {
  return {
    frames: new TokenBucket(settings.framesPerSecond, settings.framesBurst, now),
    badPayloads: new FaultCounter(BAD_PAYLOADS, BAD_PAYLOADS_MS, now),
    refusedFrames: new FaultCounter(REFUSED_FRAMES, REFUSED_FRAMES_MS, now),
  };
}
