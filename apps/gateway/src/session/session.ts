/** One client's session: its connection, its state, its limits, and how far the device has been served. */
import { reportCaught, TokenBucket, type WheelEntry } from "@carillon/base";
import type { Settings } from "@carillon/base/node";
import { CarillonError, Command, closeCodeTable, type ErrorName, encodeFrame, limits } from "@carillon/protocol";
import type { ClientConnection } from "../accept/client-connection";
import type { DeliveryCursor } from "./delivery-cursor";
import type { Identity, SessionState } from "./session-state";

export interface SessionLimits {
  frames: TokenBucket;
  badPayloads: FaultCounter;
  refusedFrames: FaultCounter;
}

export class Session {
  state: SessionState = { phase: "new" };
  /** Set while the session is open. */
  delivery: DeliveryCursor | undefined;
  /** Monotonic ms of the last frame. */
  lastFrameAt: number;
  /**
   * Time at which the last CONNECT arrived, ms on the cluster's clock. The time of the accept would be wrong: a client that got
   * BUSY sends CONNECT again on the same connection, and workers rely on a bound from CONNECT to the registration.
   */
  since = 0;
  /** A connection that is here as a fallback is not sent to its right gateway before this time, monotonic ms. */
  keepUntil = 0;
  /** The next check of silence, log-in deadline and token: one entry of the timer wheel serves all three. */
  readonly deadline: WheelEntry;
  goawaySent = false;
  /** The conversation at which the device looks (FOCUS). */
  focus: string | undefined;

  constructor(
    /** Unique inside this boot of the gateway. */
    readonly number: number,
    readonly connection: ClientConnection,
    readonly limits: SessionLimits,
    monotonic: number,
    onDeadline: (session: Session) => void,
  ) {
    this.lastFrameAt = monotonic;
    this.deadline = { due: -1, expire: () => onDeadline(this) };
  }

  get identity(): Identity | undefined {
    return this.state.phase === "open" || this.state.phase === "opening" ? this.state.identity : undefined;
  }

  get isOpen(): boolean {
    return this.state.phase === "open";
  }

  /** Whether the device reads too slowly to get more now: it fetches the rest later, or gets it from the inbox. */
  get isSlow(): boolean {
    return this.connection.queuedBytes > SLOW_BYTES;
  }

  reply(command: number, requestId: number, payload: object): void {
    this.connection.send(encodeFrame(command, requestId, payload));
  }

  /** Answers a request with an error of the error table. Any other error is reported, and the client gets INTERNAL. */
  replyError(requestId: number, error: unknown): void {
    if (!(error instanceof CarillonError)) reportCaught("request", error, this.connection.remote);
    const known = error instanceof CarillonError ? error : new CarillonError("INTERNAL");
    this.connection.send(encodeFrame(Command.ERROR, requestId, known.toPayload()));
  }

  refuse(requestId: number, name: ErrorName, message?: string, retryAfterMs?: number): void {
    this.replyError(requestId, new CarillonError(name, message, retryAfterMs === undefined ? {} : { retryAfterMs }));
  }

  /** Sends KICKED with the reason, then closes the connection. */
  kick(code: number): void {
    if (this.state.phase === "closed") return;
    const reason = closeCodeTable.find((row) => row.code === code)?.text ?? "closed";
    this.connection.send(encodeFrame(Command.KICKED, 0, { code, reason }));
    this.close(code);
  }

  /** Closes the connection without KICKED. */
  close(code: number): void {
    if (this.state.phase === "closed") return;
    this.connection.close(code);
  }

  /** Whether the client is not logged in and has sent more bytes than it may before that. */
  get sentTooMuchUnauthenticated(): boolean {
    return this.state.phase !== "open" && this.connection.receivedBytes > MOST_UNAUTHENTICATED_BYTES;
  }
}

/** A device with more bytes than this waiting at its socket leaves the live stream. */
const SLOW_BYTES = 256 * 1024;

/** Bytes that a client may send before it is logged in: one CONNECT and a few early frames. */
const MOST_UNAUTHENTICATED_BYTES = Math.floor(limits.maxPayloadBytes / 4);

const BAD_PAYLOADS = 10;
const BAD_PAYLOADS_MS = 60_000;
const REFUSED_FRAMES = 1_000;
const REFUSED_FRAMES_MS = 10_000;

/** The limits of a new session. @param now monotonic ms */
export function sessionLimits(settings: Pick<Settings["limits"], "framesPerSecond" | "framesBurst">, now: number) {
  return {
    frames: new TokenBucket(settings.framesPerSecond, settings.framesBurst, now),
    badPayloads: new FaultCounter(BAD_PAYLOADS, BAD_PAYLOADS_MS, now),
    refusedFrames: new FaultCounter(REFUSED_FRAMES, REFUSED_FRAMES_MS, now),
  };
}

/** Counts faults in a sliding window, roughly: the window moves by halves. */
export class FaultCounter {
  private windowStart: number;
  private current = 0;
  private previous = 0;

  constructor(
    private readonly most: number,
    private readonly windowMs: number,
    now: number,
  ) {
    this.windowStart = now;
  }

  /** Counts a fault. @param now monotonic ms @returns whether the bound is reached, this fault included */
  add(now: number): boolean {
    const half = this.windowMs / 2;
    if (now - this.windowStart >= half) {
      this.previous = now - this.windowStart >= this.windowMs ? 0 : this.current;
      this.current = 0;
      this.windowStart = now;
    }
    return ++this.current + this.previous >= this.most;
  }
}
