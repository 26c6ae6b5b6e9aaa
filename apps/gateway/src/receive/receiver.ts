/** Checks frames of clients: how many bytes and frames the session may send, what its phase allows, the shape of the payload. */
import type { Clock } from "@carillon/base";
import { type ClientMessage, CloseCode, Command, parseRequest } from "@carillon/protocol";
import type { IncomingFault, IncomingFrame } from "../accept/client-connection";
import type { Session } from "../session/session";
import { actionOn } from "../session/session-state";

export class Receiver {
  constructor(private readonly clock: Pick<Clock, "monotonic">) {}

  /**
   * Receives a frame of a client.
   * @returns the message to process; undefined when the frame was refused, or waits until the session is open
   */
  receive(session: Session, frame: IncomingFrame): ClientMessage | undefined {
    const { state } = session;
    if (state.phase === "closed") return undefined;
    const now = this.clock.monotonic();
    session.lastFrameAt = now;
    if (session.sentTooMuchUnauthenticated) {
      return refuseUnauthenticated(session, frame.requestId, "too much was sent before CONNECT");
    }
    const wait = session.limits.frames.take(now);
    if (wait > 0) return this.refuseFast(session, frame, wait, now);
    switch (actionOn(state.phase, frame.command)) {
      case "process":
        return this.parse(session, frame);
      case "hold":
        if (state.phase === "opening") state.held.push(frame);
        return undefined;
      case "unknown":
        session.refuse(frame.requestId, "UNKNOWN_COMMAND");
        return undefined;
      case "refuse":
        return refuseUnauthenticated(session, frame.requestId, "CONNECT comes first");
      case "ignore":
        return undefined;
    }
  }

  /** Counts a PING or PONG of WebSocket, which costs as much as a frame. @returns whether it may be answered */
  control(session: Session): boolean {
    if (session.state.phase === "closed") return false;
    const now = this.clock.monotonic();
    if (session.sentTooMuchUnauthenticated) session.kick(CloseCode.NOT_AUTHENTICATED);
    else if (session.limits.frames.take(now) === 0) return true;
    else if (session.limits.refusedFrames.add(now)) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
    return false;
  }

  /** Refuses bytes or text that are no valid frame, and closes the connection unless it may stay open. */
  fail(session: Session, fault: IncomingFault): void {
    session.lastFrameAt = this.clock.monotonic();
    if (session.state.phase === "closed") return;
    if (session.state.phase !== "open" && fault.recoverable) {
      refuseUnauthenticated(session, fault.requestId, "CONNECT comes first");
      return;
    }
    session.refuse(fault.requestId, fault.error, fault.message);
    if (!fault.recoverable) session.kick(CloseCode.PROTOCOL_ERROR);
    else if (fault.error === "BAD_PAYLOAD") this.countBadPayload(session);
  }

  /**
   * Checks the shape of a frame that the session's phase allows, also of one that was held.
   * @returns undefined when the frame was refused
   */
  parse(session: Session, frame: IncomingFrame): ClientMessage | undefined {
    const message = parseRequest(frame.command, frame.payload);
    if (!("error" in message)) return message;
    session.refuse(frame.requestId, message.error, message.message);
    if (message.error !== "BAD_PAYLOAD") return undefined;
    if (frame.command === Command.CONNECT) session.kick(CloseCode.NOT_AUTHENTICATED);
    else this.countBadPayload(session);
    return undefined;
  }

  /** Counts a payload that was refused; too many of them close the connection. */
  countBadPayload(session: Session): void {
    if (session.limits.badPayloads.add(this.clock.monotonic())) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
  }

  private refuseFast(session: Session, frame: IncomingFrame, wait: number, now: number): undefined {
    session.refuse(frame.requestId, "RATE_LIMITED", undefined, wait);
    if (session.limits.refusedFrames.add(now)) session.kick(CloseCode.TOO_MANY_VIOLATIONS);
  }
}

function refuseUnauthenticated(session: Session, requestId: number, message: string): undefined {
  session.refuse(requestId, "NOT_AUTHENTICATED", message);
  session.kick(CloseCode.NOT_AUTHENTICATED);
}
