/**
 * One client's connection, over any transport: the rest of the gateway uses this interface only. A transport turns bytes into
 * frames and frames into bytes; it knows nothing of sessions.
 *
 * Writes are corked: frames that are sent in one turn of the event loop leave in one system call, because the call, and not
 * the copying, is the cost of a small frame.
 */
import { type Belonging, guarded, reportCaught } from "@carillon/base";

/** A frame of a client. The payload is MessagePack bytes, or the object of the JSON form. */
export interface IncomingFrame {
  command: number;
  requestId: number;
  payload: Uint8Array | Record<string, unknown>;
}

/** Bytes or text of a client that are no valid frame. */
export interface IncomingFault {
  error: "BAD_FRAME" | "FRAME_TOO_LARGE" | "BAD_PAYLOAD" | "UNKNOWN_COMMAND";
  requestId: number;
  message: string;
  /** Whether the connection may stay open. */
  recoverable: boolean;
}

export interface ConnectionEvents {
  onFrame(frame: IncomingFrame): void;
  onFault(fault: IncomingFault): void;
  onClosed(): void;
  /** The waiting bytes were written: a slow reader has caught up. */
  onDrained(): void;
  /** A PING or PONG of the transport itself. @returns whether it may be answered */
  onControl(): boolean;
}

export interface DeviceOfUser {
  userId: string;
  deviceId: string;
}

export interface ClientConnection {
  readonly transport: "tcp" | "ws" | "udp";
  /** The user and the device for whom the connection was made possible; undefined: anybody may log in. */
  readonly owner?: DeviceOfUser;
  /** Address of the client, for logs. */
  readonly remote: string;
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
  /** Bytes received since the connection was accepted. */
  readonly receivedBytes: number;
  attach(events: ConnectionEvents): void;
  /** Sends a frame (its binary form), together with the other frames of this turn of the event loop. */
  send(frame: Uint8Array): void;
  /** Sends the waiting frames, then closes: WebSocket and UDP with this code, TCP with FIN. */
  close(code: number): void;
}

/** Time after a close in which the other side may read what was sent, ms. */
export const LINGER_MS = 2_000;

export interface Flushable {
  flush(): void;
}

/** Calls, at the end of each turn of the event loop, everything that asked to be flushed in this turn, in that order. */
class TurnCork {
  private waiting: Flushable[] = [];

  /** Has `flush` called at the end of this turn. The caller registers once per turn only. */
  add(flushable: Flushable): void {
    if (this.waiting.push(flushable) === 1) setImmediate(guarded("flush", () => this.run()));
  }

  private run(): void {
    // A flush may register others (the frames of a DELIVER): they belong to this turn, too.
    for (let i = 0; i < this.waiting.length; i++) {
      try {
        this.waiting[i]!.flush();
      } catch (error) {
        // The turn belongs to all connections: the failure of one must not hold back the frames of the others.
        reportCaught("flush", error);
      }
    }
    this.waiting = [];
  }
}

export const turnCork = new TurnCork();

/** Gathers the frames for one connection in a turn of the event loop, and writes them together at its end. */
export class FrameCork implements Flushable {
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private readonly write: (frames: Uint8Array[], bytes: number) => void;

  /**
   * @param write writes frames of `bytes` bytes in all; called with at least one frame
   * @param connection is ended when its frames cannot be written; frames of other connections are written all the same
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

/** Concatenates frames. @param bytes length of all frames together */
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
