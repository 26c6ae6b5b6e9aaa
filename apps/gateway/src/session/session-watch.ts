/**
 * Watches the deadlines of sessions: CONNECT has to arrive some seconds after the accept, frames have to arrive now and then,
 * and the token has to be renewed. One entry of the timer wheel serves all three: when the entry is due, the watch looks which
 * deadline has really passed, so a frame costs no timer operation.
 */
import type { Clock, TimerWheel } from "@carillon/base";
import type { TokenVerifier } from "@carillon/base/node";
import { busy, CloseCode, Command } from "@carillon/protocol";
import type { Session } from "./session";
import { identityOf } from "./session-state";

/** Time in which a busy gateway reads what has arrived before a deadline, ms. */
const READING_MS = 100;

export interface SessionWatchOptions {
  wheel: TimerWheel;
  /** Time for CONNECT after the accept, ms. */
  loginMs: number;
  /** An open session is closed after this time without a frame, ms. */
  silenceMs: number;
  /** A connection outlives its token by this time, ms. */
  tokenGraceMs: number;
  clock: Pick<Clock, "monotonic">;
  /** Tokens are dated by the wall clock of the api that signed them. */
  wallClock: Pick<Clock, "now">;
  tokens: Pick<TokenVerifier, "verify">;
}

export class SessionWatch {
  constructor(private readonly options: SessionWatchOptions) {}

  /** A connection was accepted, or its CONNECT was answered with BUSY. */
  begin(session: Session): void {
    this.options.wheel.set(session.deadline, this.options.loginMs);
  }

  /** The session is open. */
  opened(session: Session): void {
    this.options.wheel.set(session.deadline, this.nextCheck(session));
  }

  end(session: Session): void {
    this.options.wheel.cancel(session.deadline);
  }

  /** The entry of the session is due; its real deadline may have moved meanwhile. */
  check(session: Session): void {
    const { state } = session;
    if (state.phase === "closed") return;
    // CONNECT has arrived: a client does not pay for slow workers. A client that gets BUSY has the whole time again.
    if (state.phase === "opening") return this.begin(session);
    if (state.phase === "new") {
      // While thousands connect, a CONNECT may have arrived that the gateway reads a moment later.
      if (state.isDue !== true) {
        session.state = { phase: "new", isDue: true };
        return this.options.wheel.set(session.deadline, READING_MS);
      }
      session.refuse(0, "NOT_AUTHENTICATED", "CONNECT did not come in time");
      return session.kick(CloseCode.NOT_AUTHENTICATED);
    }
    if (this.options.clock.monotonic() - session.lastFrameAt >= this.options.silenceMs) {
      return session.kick(CloseCode.HEARTBEAT_LOST);
    }
    if (this.options.wallClock.now() >= state.tokenExpiresAt + this.options.tokenGraceMs) {
      session.refuse(0, "TOKEN_EXPIRED");
      return session.kick(CloseCode.TOKEN_EXPIRED);
    }
    this.options.wheel.set(session.deadline, this.nextCheck(session));
  }

  /** TOKEN: takes a new access token of the same user and device, or refuses it. */
  renewToken(session: Session, requestId: number, text: string): void {
    if (session.state.phase !== "open") return;
    const { userId, deviceId, platform } = session.state.identity;
    const token = this.options.tokens.verify(text);
    if (token === "expired") return session.refuse(requestId, "TOKEN_EXPIRED");
    if (token === "unavailable") return session.replyError(requestId, busy());
    const fits =
      token !== "invalid" && token.userId === userId && token.deviceId === deviceId && token.platform === platform;
    if (!fits) return session.refuse(requestId, "NOT_AUTHENTICATED", "the token is not of this user and device");
    session.state.tokenExpiresAt = token.expiresAt;
    // The token may belong to a later log-in: the session depends on that log-in from now on.
    session.state.identity = identityOf(token);
    session.reply(Command.OK, requestId, {});
  }

  private nextCheck(session: Session): number {
    const { silenceMs, tokenGraceMs, clock, wallClock } = this.options;
    const silence = session.lastFrameAt + silenceMs - clock.monotonic();
    const token =
      session.state.phase === "open" ? session.state.tokenExpiresAt + tokenGraceMs - wallClock.now() : silence;
    return Math.max(0, Math.min(silence, token));
  }
}
