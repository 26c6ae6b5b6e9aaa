/** One client's session: its connection, its state, its limits, and how far it has been served. */
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
   * When its last CONNECT arrived, ms on the cluster's clock. The time of the accept would not do: a client that is put off
   * by BUSY sends CONNECT again on the same connection, and workers count how long registering takes at most.
   */
  since = 0;
  /** A connection that came here as a fallback is not sent back before this time (monotonic ms). */
  keepUntil = 0;
  /** Next check of silence, log-in deadline or token: one entry of the wheel serves all. */
  readonly deadline: WheelEntry;
  goawaySent = false;
  /** The conversation that the device looks at. */
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

  /** It does not read fast enough: what is not told to it now it has to fetch, or gets from the inbox. */
  get isSlow(): boolean {
    return this.connection.queuedBytes > SLOW_BYTES;
  }

  reply(command: number, requestId: number, payload: object): void {
    this.connection.send(encodeFrame(command, requestId, payload));
  }

  /** Answers a request with an error of the table; what is none of it is told to us, and to the client as INTERNAL. */
  replyError(requestId: number, error: unknown): void {
    if (!(error instanceof CarillonError)) reportCaught("request", error, this.connection.remote);
    const known = error instanceof CarillonError ? error : new CarillonError("INTERNAL");
    this.connection.send(encodeFrame(Command.ERROR, requestId, known.toPayload()));
  }

  refuse(requestId: number, name: ErrorName, message?: string, retryAfterMs?: number): void {
    this.replyError(requestId, new CarillonError(name, message, retryAfterMs === undefined ? {} : { retryAfterMs }));
  }

  /** Tells the client why with KICKED, then closes. */
  kick(code: number): void {
    if (this.state.phase === "closed") return;
    const reason = closeCodeTable.find((row) => row.code === code)?.text ?? "closed";
    this.connection.send(encodeFrame(Command.KICKED, 0, { code, reason }));
    this.close(code);
  }

  /** Closes without a word. */
  close(code: number): void {
    if (this.state.phase === "closed") return;
    this.connection.close(code);
  }

  /** Whether a client that is not logged in has sent more than it may. */
  get sentTooMuchUnauthenticated(): boolean {
    return this.state.phase !== "open" && this.connection.receivedBytes > MOST_UNAUTHENTICATED_BYTES;
  }
}

/** Bytes waiting at a socket above which its device leaves the live stream. */
const SLOW_BYTES = 256 * 1024;

/** Bytes of a client that is not logged in: one CONNECT and a few early frames. */
const MOST_UNAUTHENTICATED_BYTES = Math.floor(limits.maxPayloadBytes / 4);

const BAD_PAYLOADS = 10;
const BAD_PAYLOADS_MS = 60_000;
const REFUSED_FRAMES = 1_000;
const REFUSED_FRAMES_MS = 10_000;

export function sessionLimits(settings: Pick<Settings["limits"], "framesPerSecond" | "framesBurst">, now: number) {
  return {
    frames: new TokenBucket(settings.framesPerSecond, settings.framesBurst, now),
    badPayloads: new FaultCounter(BAD_PAYLOADS, BAD_PAYLOADS_MS, now),
    refusedFrames: new FaultCounter(REFUSED_FRAMES, REFUSED_FRAMES_MS, now),
  };
}

/** Counts faults in a sliding window of time, roughly: two halves are enough. */
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

  /** @returns whether there were more than allowed, this one included */
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
