/**
 * One client's connection, whatever carries it: the rest of the gateway sees this face only. A transport turns
 * bytes into frames and frames into bytes; it knows nothing of sessions.
 *
 * Writes are corked: frames that are sent in one turn of the event loop leave in one system call, since the call,
 * not the copying, is what a small frame costs.
 */
import { type Belonging, guarded, reportCaught } from "@carillon/base";

/** A frame from a client. The payload is MessagePack bytes, or the object of the JSON form. */
export interface IncomingFrame {
  command: number;
  requestId: number;
  payload: Uint8Array | Record<string, unknown>;
}

/** Bytes or text that cannot be understood, or must not be answered further: the connection ends. */
export interface IncomingFault {
  error: "BAD_FRAME" | "FRAME_TOO_LARGE" | "BAD_PAYLOAD" | "UNKNOWN_COMMAND";
  requestId: number;
  message: string;
  /** Whether the connection stays open. */
  recoverable: boolean;
}

type TransportName = "tcp" | "ws" | "json";

export interface ConnectionEvents {
  onFrame(frame: IncomingFrame): void;
  onFault(fault: IncomingFault): void;
  onClosed(): void;
  /** What waited to be written has left: a slow reader caught up. */
  onDrained(): void;
  /** A PING or PONG of the transport itself. @returns whether it may be answered */
  onControl(): boolean;
}

export interface ClientConnection {
  readonly transport: TransportName;
  /** Address of the other side, for logs. */
  readonly remote: string;
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
  /** Bytes received since the connection was accepted. */
  readonly receivedBytes: number;
  attach(events: ConnectionEvents): void;
  /** Sends a frame (its binary form) with whatever else is sent in this turn. */
  send(frame: Uint8Array): void;
  /** Sends what waits, then closes: WebSocket with this code, TCP with FIN. */
  close(code: number): void;
  /** Stops and starts reading, to slow a client down. */
  pauseReading(): void;
  resumeReading(): void;
}

/** After a close the other side has this long to take what was sent, ms. */
export const LINGER_MS = 2_000;

export interface Flushable {
  flush(): void;
}

/** Flushes at the end of each turn of the event loop what asked for it in this turn, in the order of asking. */
class TurnCork {
  private waiting: Flushable[] = [];

  /** Has `flush` called at the end of the turn. The caller sees to it that it registers once only. */
  add(flushable: Flushable): void {
    if (this.waiting.push(flushable) === 1) setImmediate(guarded("flush", () => this.run()));
  }

  private run(): void {
    // What is registered meanwhile (frames of a DELIVER that is flushed) belongs to this turn, too.
    for (let i = 0; i < this.waiting.length; i++) {
      try {
        this.waiting[i]!.flush();
      } catch (error) {
        // The turn belongs to everybody: one that fails must not keep the frames of the others.
        reportCaught("flush", error);
      }
    }
    this.waiting = [];
  }
}

export const turnCork = new TurnCork();

/** Gathers the frames that one connection is sent in a turn of the event loop, and writes them together at its end. */
export class FrameCork implements Flushable {
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private readonly write: (frames: Uint8Array[], bytes: number) => void;

  /**
   * @param write writes frames of `bytes` bytes in all; called with at least one frame
   * @param connection is ended when its frames cannot be written: those of others are written all the same
   */
  constructor(write: (frames: Uint8Array[], bytes: number) => void, connection: Belonging) {
    this.write = guarded("write", write, connection);
  }

  /** Bytes that wait. */
  get size(): number {
    return this.bytes;
  }

  add(frame: Uint8Array): void {
    this.bytes += frame.length;
    if (this.frames.push(frame) === 1) turnCork.add(this);
  }

  flush(): void {
    if (this.frames.length === 0) return;
    const { frames, bytes } = this;
    this.frames = [];
    this.bytes = 0;
    this.write(frames, bytes);
  }
}

/** Several frames as one piece of bytes. */
export function concatFrames(frames: Uint8Array[], bytes: number): Uint8Array {
  if (frames.length === 1) return frames[0]!;
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}
