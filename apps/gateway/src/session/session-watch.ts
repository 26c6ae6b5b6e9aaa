/**
 * Deadlines of sessions: CONNECT is due some seconds after accept, something must be heard now and then, and a token
 * has to be renewed. One entry of the timer wheel serves all three: when it is due, what is really due is looked at,
 * so that a frame costs no timer operation.
 */
import type { Clock, TimerWheel } from "@carillon/base";
import type { createTokenVerifier } from "@carillon/base/node";
import { CloseCode, Command } from "@carillon/protocol";
import type { Session } from "./session";
import { identityOf } from "./session-state";

/** Until what had arrived is read, ms. */
const READING_MS = 100;

/** Checks the signature and the expiry of an access token. */
export type VerifyToken = ReturnType<typeof createTokenVerifier>;

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
  verify: VerifyToken;
}

export class SessionWatch {
  constructor(private readonly options: SessionWatchOptions) {}

  /** A connection was accepted, or its CONNECT was put off. */
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

  /** A deadline of the session is due, or was moved meanwhile. */
  check(session: Session): void {
    const { state } = session;
    if (state.phase === "closed") return;
    // Its CONNECT came: a client does not pay for workers that are slow. Who is put off has his time anew.
    if (state.phase === "opening") return this.begin(session);
    if (state.phase === "new") {
      // While thousands connect, a CONNECT may have arrived and not be read: a moment later it is.
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

  /** TOKEN: a fresh access token of the same user and device. */
  renewToken(session: Session, requestId: number, text: string): void {
    if (session.state.phase !== "open") return;
    const { userId, deviceId, platform } = session.state.identity;
    const token = this.options.verify(text);
    if (token === "expired") return session.refuse(requestId, "TOKEN_EXPIRED");
    const fits =
      token !== "invalid" && token.userId === userId && token.deviceId === deviceId && token.platform === platform;
    if (!fits) return session.refuse(requestId, "NOT_AUTHENTICATED", "the token is not of this user and device");
    session.state.tokenExpiresAt = token.expiresAt;
    // It may belong to a later log-in: the session stands and falls with that one from now on.
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
