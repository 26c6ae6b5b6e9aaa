/**
 * Clients over WebSocket: binary messages of whole frames (subprotocol carillon.v1), or one frame as JSON text per
 * message (carillon.json.v1). The same port answers health and metrics over HTTP.
 */
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { Duplex } from "node:stream";
import {
  CloseCode,
  decodeFrames,
  decodeJsonFrame,
  encodeJsonFrame,
  type Frame,
  FrameDecoder,
  limits,
} from "@carillon/protocol";
import { type WebSocket, WebSocketServer } from "ws";
import {
  type ClientConnection,
  type ConnectionEvents,
  LINGER_MS,
  type Listener,
  type ListenOptions,
} from "./client-connection";
import { concatFrames, FrameCork } from "./frame-cork";

const BINARY = "carillon.v1";
const JSON_TEXT = "carillon.json.v1";

/** An honest client sends a message whole; many tiny fragments only pin memory. */
const MOST_FRAGMENTS = 16;
const MOST_CHUNKS = 256;
const MOST_HEADER_BYTES = 8 * 1024;

export async function listenWebSocket(options: ListenOptions & { http: RequestListener }): Promise<Listener> {
  const server = createServer({ maxHeaderSize: MOST_HEADER_BYTES, noDelay: true }, options.http);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxWebSocketMessageBytes,
    perMessageDeflate: false,
    maxFragments: MOST_FRAGMENTS,
    maxBufferedChunks: MOST_CHUNKS,
    handleProtocols: (offered) => chooseProtocol(offered) ?? false,
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refuse(request);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    socket.on("error", () => socket.destroy());
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const remote = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
      const json = webSocket.protocol === JSON_TEXT;
      const Connection = json ? JsonConnection : BinaryConnection;
      options.accept(new Connection(webSocket, remote, options.mostQueuedBytes));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port, backlog: 4_096 }, resolve);
  });
  const { port } = server.address() as { port: number };
  return {
    address: `ws://${options.advertiseHost}:${port}/ws`,
    stopAccepting: () => server.close(),
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function chooseProtocol(offered: Iterable<string>): string | undefined {
  return [...offered].find((name) => name === BINARY || name === JSON_TEXT);
}

function refuse(request: IncomingMessage): string | undefined {
  if (new URL(request.url ?? "/", "http://gateway").pathname !== "/ws") return "404 Not Found";
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return chooseProtocol(offered) === undefined ? "400 Bad Request" : undefined;
}

/** What both subprotocols share: writing in turns, closing with a code. */
abstract class WebSocketConnection implements ClientConnection {
  abstract readonly transport: "ws" | "json";
  protected events: ConnectionEvents | undefined;
  protected closing = false;
  private readonly cork = new FrameCork((frames, bytes) => {
    if (this.webSocket.readyState === this.webSocket.OPEN) this.write(frames, bytes);
    if (this.queuedBytes > this.mostQueuedBytes) this.close(CloseCode.SLOW_READER);
  });

  constructor(
    protected readonly webSocket: WebSocket,
    readonly remote: string,
    private readonly mostQueuedBytes: number,
  ) {}

  get queuedBytes(): number {
    return this.webSocket.bufferedAmount + this.cork.size;
  }

  get receivedBytes(): number {
    return this.socket?.bytesRead ?? 0;
  }

  attach(events: ConnectionEvents): void {
    this.events = events;
    this.webSocket.on("message", (data: Buffer, isBinary: boolean) => {
      if (!this.closing) this.receive(data, isBinary);
    });
    // A message over the bound: ws closes with 1009 by itself.
    this.webSocket.on("error", () => {});
    this.webSocket.on("close", () => events.onClosed());
    this.socket?.on("drain", () => events.onDrained());
  }

  send(frame: Uint8Array): void {
    if (!this.closing) this.cork.add(frame);
  }

  close(code: number): void {
    if (this.closing) return;
    this.cork.flush();
    this.closing = true;
    this.webSocket.close(code);
    setTimeout(() => this.webSocket.terminate(), LINGER_MS).unref();
  }

  pauseReading(): void {
    this.webSocket.pause();
  }

  resumeReading(): void {
    this.webSocket.resume();
  }

  protected abstract receive(data: Buffer, isBinary: boolean): void;
  protected abstract write(frames: Uint8Array[], bytes: number): void;

  protected get socket(): import("node:net").Socket | undefined {
    return (this.webSocket as unknown as { _socket?: import("node:net").Socket })._socket;
  }

  protected refuseKind(): void {
    const message = "the wrong kind of WebSocket message for this subprotocol";
    this.events!.onFault({ error: "BAD_FRAME", requestId: 0, message, recoverable: false });
  }
}

class BinaryConnection extends WebSocketConnection {
  readonly transport = "ws";

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
  readonly transport = "json";

  protected receive(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.refuseKind();
    const frame = decodeJsonFrame(data.toString("utf8"));
    if (!("error" in frame)) return this.events!.onFrame(frame);
    const recoverable = frame.error === "BAD_PAYLOAD" || frame.error === "UNKNOWN_COMMAND";
    this.events!.onFault({ ...frame, recoverable });
  }

  protected write(frames: Uint8Array[]): void {
    this.socket?.cork();
    for (const bytes of frames) {
      const frame = new FrameDecoder().push(bytes)[0] as Frame;
      this.webSocket.send(encodeJsonFrame(frame.command, frame.requestId, frame.payload));
    }
    this.socket?.uncork();
  }
}
