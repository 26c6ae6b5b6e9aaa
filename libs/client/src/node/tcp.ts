/** TCP: a stream of length-prefixed frames. */
import { connect, type Socket } from "node:net";
import { FrameDecoder } from "@carillon/protocol";
import type { Link, LinkEvents, Transport } from "../connection/transport";
import { LinkBuffer } from "../connection/transport";

/** The time that the other side has to close after FIN was sent, ms. */
const LINGER_MS = 1_000;

/** Frames over a plain TCP connection: the transport `"tcp"`. */
export const tcpTransport: Transport = {
  open: async ({ tcp }, timeoutMs) => {
    const colon = tcp.lastIndexOf(":");
    const socket = connect({
      host: tcp.slice(0, colon).replace(/[[\]]/g, ""),
      port: Number(tcp.slice(colon + 1)),
      noDelay: true,
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`${tcp} did not answer in ${timeoutMs} ms`)), timeoutMs);
      socket.once("connect", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.once("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
    return new TcpLink(socket);
  },
};

class TcpLink implements Link {
  readonly #buffer = new LinkBuffer();
  readonly #decoder = new FrameDecoder();

  constructor(private readonly socket: Socket) {
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#buffer.onClosed(undefined));
  }

  attach(events: LinkEvents): void {
    this.#buffer.attach(events);
  }

  send(frames: Uint8Array): void {
    if (this.socket.writable) this.socket.write(frames);
  }

  close(): void {
    this.socket.end();
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
    this.#buffer.onClosed(undefined);
  }

  #receive(chunk: Uint8Array): void {
    for (const frame of this.#decoder.push(chunk)) this.#buffer.onFrame(frame);
    if (this.#decoder.fault !== undefined) this.close();
  }
}
