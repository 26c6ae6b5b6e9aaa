/** A client's connection over WebSocket: binary messages of whole frames, or one frame as JSON text per message. */
import type { Socket } from "node:net";
import { guarded } from "@carillon/base";
import {
  CloseCode,
  decodeFrames,
  decodeJsonFrame,
  encodeJsonFrame,
  type Frame,
  FrameDecoder,
  limits,
} from "@carillon/protocol";
import type { WebSocket } from "ws";
import { type ClientConnection, type ConnectionEvents, concatFrames, FrameCork, LINGER_MS } from "./client-connection";

const BINARY = "carillon.v1";
const JSON_TEXT = "carillon.json.v1";

/** The first of the offered subprotocols that the gateway knows. */
export function chooseProtocol(offered: Iterable<string>): string | undefined {
  return [...offered].find((name) => name === BINARY || name === JSON_TEXT);
}

/** @param remote address of the client @param mostQueuedBytes see ListenOptions */
export function newWebSocketConnection(
  webSocket: WebSocket,
  remote: string,
  mostQueuedBytes: number,
): ClientConnection {
  const Connection = webSocket.protocol === JSON_TEXT ? JsonConnection : BinaryConnection;
  return new Connection(webSocket, remote, mostQueuedBytes);
}

/** The part that both subprotocols share: corked writes, and closing with a code. */
abstract class WebSocketConnection implements ClientConnection {
  readonly transport = "ws";
  protected events: ConnectionEvents | undefined;
  protected closing = false;
  private readonly cork: FrameCork;

  constructor(
    protected readonly webSocket: WebSocket,
    readonly remote: string,
    private readonly mostQueuedBytes: number,
  ) {
    // On a message over the bound, ws closes with 1009 by itself.
    webSocket.on("error", () => {});
    const write = (frames: Uint8Array[], bytes: number) => {
      if (this.webSocket.readyState === this.webSocket.OPEN) this.write(frames, bytes);
      this.closeIfSlow();
    };
    this.cork = new FrameCork(write, this.belonging);
  }

  get queuedBytes(): number {
    return this.webSocket.bufferedAmount + this.cork.size;
  }

  get receivedBytes(): number {
    return this.socket?.bytesRead ?? 0;
  }

  attach(events: ConnectionEvents): void {
    this.events = events;
    const receive = (data: Buffer, isBinary: boolean) => {
      if (!this.closing) this.receive(data, isBinary);
    };
    const guard = <A extends unknown[]>(callback: (...args: A) => void) => guarded("socket", callback, this.belonging);
    const control = (data: Buffer, isPing: boolean) => {
      if (this.closing || !events.onControl() || !isPing) return;
      this.webSocket.pong(data);
      this.closeIfSlow();
    };
    this.webSocket.on("message", guard(receive));
    this.webSocket.on(
      "ping",
      guard((data: Buffer) => control(data, true)),
    );
    this.webSocket.on(
      "pong",
      guard((data: Buffer) => control(data, false)),
    );
    this.webSocket.on(
      "close",
      guard(() => events.onClosed()),
    );
    this.socket?.on(
      "drain",
      guard(() => events.onDrained()),
    );
  }

  send(frame: Uint8Array): void {
    if (!this.closing) this.cork.add(frame);
  }

  close(code: number): void {
    if (this.closing) return;
    this.cork.flush();
    this.closing = true;
    this.webSocket.close(code);
    const destroy = guarded("socket", () => this.webSocket.terminate());
    setTimeout(destroy, LINGER_MS).unref();
  }

  private closeIfSlow(): void {
    if (this.queuedBytes > this.mostQueuedBytes) this.close(CloseCode.SLOW_READER);
  }

  protected abstract receive(data: Buffer, isBinary: boolean): void;
  protected abstract write(frames: Uint8Array[], bytes: number): void;

  protected get socket(): Socket | undefined {
    return (this.webSocket as unknown as { _socket?: Socket })._socket;
  }

  protected refuseKind(): void {
    const message = "the wrong kind of WebSocket message for this subprotocol";
    this.events!.onFault({ error: "BAD_FRAME", requestId: 0, message, recoverable: false });
  }

  /** An error in a callback of this connection closes it. */
  private get belonging() {
    return { remote: this.remote, end: () => this.close(CloseCode.INTERNAL) };
  }
}

class BinaryConnection extends WebSocketConnection {
  protected receive(data: Buffer, isBinary: boolean): void {
    if (!isBinary) return this.refuseKind();
    const { frames, fault } = decodeFrames(data);
    for (const frame of frames) {
      this.events!.onFrame(frame);
      if (this.closing) return;
    }
    if (fault !== undefined) this.events!.onFault({ ...fault, recoverable: false });
  }

  /** A message may hold several frames, up to the bound of a message. */
  protected write(frames: Uint8Array[], bytes: number): void {
    if (bytes <= limits.maxWebSocketMessageBytes) {
      this.webSocket.send(concatFrames(frames, bytes));
      return;
    }
    this.socket?.cork();
    for (const frame of frames) this.webSocket.send(frame);
    this.socket?.uncork();
  }
}

class JsonConnection extends WebSocketConnection {
  protected receive(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.refuseKind();
    const frame = decodeJsonFrame(data.toString("utf8"));
    if (!("error" in frame)) return this.events!.onFrame(frame);
    const recoverable = frame.error === "BAD_PAYLOAD" || frame.error === "UNKNOWN_COMMAND";
    this.events!.onFault({ ...frame, recoverable });
  }

  protected write(frames: Uint8Array[]): void {
    this.socket?.cork();
    try {
      for (const bytes of frames) {
        const frame = new FrameDecoder().push(bytes)[0] as Frame;
        this.webSocket.send(encodeJsonFrame(frame.command, frame.requestId, frame.payload));
      }
    } finally {
      this.socket?.uncork();
    }
  }
}
