/** Clients over TCP: a stream of length-prefixed frames, cut anywhere. */
import { createServer, type Server, type Socket } from "node:net";
import { FrameDecoder } from "@carillon/protocol";
import {
  type ClientConnection,
  type ConnectionEvents,
  LINGER_MS,
  type Listener,
  type ListenOptions,
} from "./client-connection";
import { concatFrames, FrameCork } from "./frame-cork";

export async function listenTcp(options: ListenOptions): Promise<Listener> {
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    options.accept(new TcpConnection(socket, options.mostQueuedBytes));
  });
  const port = await listen(server, options.host, options.port);
  return {
    address: `${options.advertiseHost}:${port}`,
    stopAccepting: () => server.close(),
    close: async () => void server.close(),
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 4_096 }, resolve);
  });
  return (server.address() as { port: number }).port;
}

class TcpConnection implements ClientConnection {
  readonly transport = "tcp";
  readonly remote: string;
  private readonly decoder = new FrameDecoder();
  private events: ConnectionEvents | undefined;
  private readonly cork = new FrameCork((frames, bytes) => this.write(concatFrames(frames, bytes)));
  private closing = false;

  constructor(
    private readonly socket: Socket,
    private readonly mostQueuedBytes: number,
  ) {
    this.remote = `${socket.remoteAddress}:${socket.remotePort}`;
  }

  get queuedBytes(): number {
    return this.socket.writableLength + this.cork.size;
  }

  get receivedBytes(): number {
    return this.socket.bytesRead;
  }

  attach(events: ConnectionEvents): void {
    this.events = events;
    this.socket.on("data", (chunk) => this.receive(chunk));
    this.socket.on("drain", () => events.onDrained());
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("close", () => events.onClosed());
  }

  send(frame: Uint8Array): void {
    if (!this.closing) this.cork.add(frame);
  }

  close(): void {
    if (this.closing) return;
    this.cork.flush();
    this.closing = true;
    this.socket.end();
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }

  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
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
