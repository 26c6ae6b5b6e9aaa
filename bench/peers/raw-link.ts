/** A raw TCP connection of a load client: the writes of one turn of the event loop go out together. */
import { connect, type Socket } from "node:net";
import type { LoadClientSpec } from "../generator/load-protocol";

export interface RawLinkEvents {
  onOpen(): void;
  onData(chunk: Buffer): void;
  /** The connection failed, or the server closed it. This is not called after `close`. */
  onLost(why: string): void;
  /** Returns bytes to send at the end of a turn in which the client wrote. */
  endOfTurn?(): Uint8Array | undefined;
}

export class RawLink {
  private readonly socket: Socket;
  private pending: Uint8Array[] = [];
  private closed = false;

  constructor(
    { host, port, localAddress }: LoadClientSpec,
    private readonly events: RawLinkEvents,
  ) {
    this.socket = connect({ host, port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) });
    this.socket.on("connect", () => events.onOpen());
    this.socket.on("data", (chunk) => events.onData(chunk));
    this.socket.on("error", (error) => this.lose(error.message));
    this.socket.on("close", () => this.lose("the server closed the connection"));
  }

  write(bytes: Uint8Array): void {
    if (this.pending.push(bytes) === 1) setImmediate(() => this.flush());
  }

  /** Sends the last bytes of the protocol, and closes. */
  close(farewell: Uint8Array): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.end(Buffer.concat([...this.pending, farewell]));
    this.pending = [];
  }

  private flush(): void {
    if (this.closed) return;
    const end = this.events.endOfTurn?.();
    if (end !== undefined) this.pending.push(end);
    const bytes = this.pending.length === 1 ? this.pending[0]! : Buffer.concat(this.pending);
    this.pending = [];
    this.socket.write(bytes);
  }

  private lose(why: string): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    this.events.onLost(why);
  }
}
