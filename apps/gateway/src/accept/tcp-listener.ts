/** Listens for clients over TCP: a stream of length-prefixed frames, which may arrive in any pieces. */
import { createServer, type Socket } from "node:net";
import { guarded } from "@carillon/base";
import { listenOn, remoteOf } from "@carillon/base/node";
import { FrameDecoder } from "@carillon/protocol";
import { type ClientConnection, type ConnectionEvents, concatFrames, FrameCork, LINGER_MS } from "./client-connection";
import type { Listener, ListenOptions } from "./doorkeeper";

export async function listenTcp(options: ListenOptions): Promise<Listener> {
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    // A reset may come at any moment, so this listener is added before anything else happens to the connection.
    socket.on("error", () => socket.destroy());
    if (!options.door.admit(socket)) return;
    const remote = remoteOf(socket);
    const accept = () => options.accept(new TcpConnection(socket, remote, options.mostQueuedBytes));
    guarded("accept", accept, { remote, end: () => void socket.destroy() })();
  });
  const port = await listenOn(server, options.host, options.port);
  return {
    address: `${options.advertiseHost}:${port}`,
    stopAccepting: () => server.close(),
    close: async () => void server.close(),
  };
}

class TcpConnection implements ClientConnection {
  private readonly decoder = new FrameDecoder();
  private events: ConnectionEvents | undefined;
  private readonly cork: FrameCork;
  private closing = false;
  private isOver = false;

  constructor(
    private readonly socket: Socket,
    readonly remote: string,
    private readonly mostQueuedBytes: number,
  ) {
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
    const on = (event: string, callback: (chunk: Uint8Array) => void) =>
      this.socket.on(event, guarded("socket", callback, this.belonging));
    on("data", (chunk) => this.receive(chunk));
    on("drain", () => events.onDrained());
    // FIN: the socket itself is closed some turns of the event loop later, in which nobody would know.
    on("end", () => this.end());
    on("close", () => this.end());
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

  /** An error in a callback of this connection closes it. */
  private get belonging() {
    return { remote: this.remote, end: () => this.close() };
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
