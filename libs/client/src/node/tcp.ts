/** TCP, also with TLS: a stream of length-prefixed frames. */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { FrameDecoder } from "@carillon/protocol";
import type { Link, LinkEvents, LinkOpener } from "../connection/transport";
import { addressFor, LinkBuffer } from "../connection/transport";
import { SUBPROTOCOL } from "../connection/websocket";

/** The time that the other side has to close after FIN was sent, ms. */
const LINGER_MS = 1_000;

const SECURE = "tls://";

/**
 * Frames over a TCP connection: the transport `"tcp"`. With an address `tls://host:port` the connection is encrypted, and the
 * gateway's certificate must belong to its host; NODE_EXTRA_CA_CERTS names an authority of one's own.
 */
export const tcpTransport: LinkOpener = {
  open: async (address, timeoutMs) => {
    const tcp = addressFor("tcp", address);
    const isSecure = tcp.startsWith(SECURE);
    const place = isSecure ? tcp.slice(SECURE.length) : tcp;
    const colon = place.lastIndexOf(":");
    const host = place.slice(0, colon).replace(/[[\]]/g, "");
    const options = { host, port: Number(place.slice(colon + 1)), noDelay: true };
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = isSecure
      ? connectSecurely({ ...options, ...servername, ALPNProtocols: [SUBPROTOCOL] })
      : connect(options);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`${tcp} did not answer in ${timeoutMs} ms`)), timeoutMs);
      socket.once(isSecure ? "secureConnect" : "connect", () => {
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
