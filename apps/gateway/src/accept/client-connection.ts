/**
 * One client's connection, whatever carries it: the rest of the gateway sees this face only. A transport turns
 * bytes into frames and frames into bytes; it knows nothing of sessions.
 *
 * Writes are corked: frames that are sent in one turn of the event loop leave in one system call, since the call,
 * not the copying, is what a small frame costs.
 */
import type { Doorkeeper } from "./doorkeeper";

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

/** What a transport needs to listen. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Host name that clients are told. */
  advertiseHost: string;
  accept: Accept;
  door: Doorkeeper;
  /** Bytes that may wait for a client that does not read; beyond, it is closed with SLOW_READER. */
  mostQueuedBytes: number;
}

/** After a close the other side has this long to take what was sent, ms. */
export const LINGER_MS = 2_000;

/** Takes over a fresh connection. */
type Accept = (connection: ClientConnection) => void;

/** A way for clients to come in: TCP, WebSocket, and what may follow. */
export interface Listener {
  /** Address that clients are told. */
  readonly address: string;
  /** No new connections; the present ones stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}
