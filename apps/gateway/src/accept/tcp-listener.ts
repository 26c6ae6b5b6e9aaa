/** Listens for clients over TCP, also with TLS: a stream of length-prefixed frames, which may arrive in any pieces. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { type Belonging, guarded } from "@carillon/base";
import { listenOn } from "@carillon/base/node";
import { FrameDecoder } from "@carillon/protocol";
import { addressOf } from "../listeners";
import { type ClientConnection, type ConnectionEvents, concatFrames, FrameCork, LINGER_MS } from "./client-connection";
import { destroyItself, type Listener, type ListenOptions } from "./doorkeeper";

/** The name of this protocol in ALPN. */
const PROTOCOL = "carillon.v1";

export async function listenTcp(options: ListenOptions): Promise<Listener> {
  const { listener, door, mostQueuedBytes } = options;
  const server = newServer(options, (socket) => {
    const remote = door.clientOf(socket);
    const accept = () => options.accept(new TcpConnection(socket, remote, mostQueuedBytes));
    guarded("accept", accept, { remote, end: () => void socket.destroy() })();
  });
  door.guard(server, listener.proxyProtocol);
  const port = await listenOn(server, listener.host, listener.port);
  return {
    transport: "tcp",
    address: addressOf(listener, port),
    stopAccepting: () => server.close(),
    close: async () => void server.close(),
  };
}

/** @param onSocket gets each connection, with TLS after the handshake */
function newServer({ certificate, patienceMs }: ListenOptions, onSocket: (socket: Socket) => void): Server {
  const options = { noDelay: true, allowHalfOpen: false };
  if (certificate === undefined) return createServer(options, onSocket);
  const secure = { ...options, ...certificate.options, handshakeTimeout: patienceMs, ALPNProtocols: [PROTOCOL] };
  const server = createSecureServer(secure, (socket) => {
    socket.on("error", destroyItself);
    onSocket(socket);
  });
  server.on("tlsClientError", (_, socket) => socket.destroy());
  certificate.follow(server);
  return server;
}

class TcpConnection implements ClientConnection {
  readonly transport = "tcp";
  private readonly decoder = new FrameDecoder();
  private events: ConnectionEvents | undefined;
  private readonly cork: FrameCork;
  /** An error in a callback of this connection closes it. One for all callbacks: there are ten thousands of connections. */
  private readonly belonging: Belonging;
  private closing = false;
  private isOver = false;

  constructor(
    private readonly socket: Socket,
    readonly remote: string,
    private readonly mostQueuedBytes: number,
  ) {
    this.belonging = { remote, end: () => this.close() };
    this.cork = new FrameCork((frames, bytes) => this.write(concatFrames(frames, bytes)), this.belonging);
  }

  get queuedBytes(): number {
    return this.socket.writableLength + this.cork.size;
  }

  get receivedBytes(): number {
    return this.socket.bytesRead;
  }

  attach(events: ConnectionEvents): void {
    this.events = events;
    const { socket, belonging } = this;
    const end = guarded("socket", () => this.end(), belonging);
    socket.on(
      "data",
      guarded("socket", (chunk: Uint8Array) => this.receive(chunk), belonging),
    );
    socket.on("drain", guarded("socket", events.onDrained, belonging));
    // FIN: the socket itself is closed some turns of the event loop later, in which nobody would know.
    socket.on("end", end);
    socket.on("close", end);
  }

  send(frame: Uint8Array): void {
    if (!this.closing) this.cork.add(frame);
  }

  close(): void {
    if (this.closing) return;
    this.cork.flush();
    this.closing = true;
    this.socket.end();
    const destroy = guarded("socket", () => this.socket.destroy());
    setTimeout(destroy, LINGER_MS).unref();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events!.onClosed();
  }

  private write(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
    if (this.queuedBytes > this.mostQueuedBytes) this.close();
  }

  private receive(chunk: Uint8Array): void {
    if (this.closing) return;
    for (const frame of this.decoder.push(chunk)) {
      this.events!.onFrame(frame);
      if (this.closing) return;
    }
    const fault = this.decoder.fault;
    if (fault !== undefined) this.events!.onFault({ ...fault, recoverable: false });
  }
}
