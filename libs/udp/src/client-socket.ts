/** The client's end of a session over UDP, with its socket: bytes in, bytes out, like a TCP socket. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { ticketOf } from "./datagram";
import { type EndpointEvents, type EndpointOwner, UdpEndpoint, type UdpTicket } from "./endpoint";
import { udp } from "./sizes";

export interface UdpSocketEvents {
  /** Bytes of the stream, in order. */
  onBytes(bytes: Buffer): void;
  /** The gateway, or `close`, has ended the session. `code`: the close code of the gateway. */
  onClosed(code: number | undefined): void;
}

/** The time that the gateway has to acknowledge what was written before `close`, ms. */
const LINGER_MS = 1_000;
/** Without a datagram for longer, a router may forget the way back; the socket sends one before that, ms. */
const KEEP_ALIVE_MS = 20_000;
/** The first pause before an unanswered challenge is repeated, ms. */
const AGAIN_MS = 500;
/**
 * Until the first bytes of the gateway have come, the socket sends challenges at this pace, ms: the gateway may have lost our proof of
 * address, and then sends no more than three times what it gets.
 */
const PROBE_MS = 1_000;

export class UdpSocket implements EndpointOwner, EndpointEvents {
  private readonly endpoint: UdpEndpoint;
  private readonly ticketId: string;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private keepAlive: ReturnType<typeof setInterval> | undefined;
  private onAnswer: (() => void) | undefined;
  /** Whether bytes of the stream have come. */
  private hasHeard = false;
  private isFlushing = false;
  private isClosing = false;
  private isOver = false;

  private constructor(
    private readonly socket: Socket,
    ticket: UdpTicket,
    private readonly place: { ip: string; port: number },
    private readonly events: UdpSocketEvents,
  ) {
    this.ticketId = Buffer.from(ticket.ticketId).toString("hex");
    this.endpoint = new UdpEndpoint("client", ticket, this, this);
    socket.on("message", (datagram) => this.receive(datagram));
    socket.on("error", () => this.end());
  }

  /**
   * Opens a session under an unused ticket.
   * @param address `host:port` of the gateway
   * @throws Error if the gateway does not answer in `timeoutMs`, or the host is unknown
   */
  static async open(
    address: string,
    ticket: UdpTicket,
    timeoutMs: number,
    events: UdpSocketEvents,
  ): Promise<UdpSocket> {
    const colon = address.lastIndexOf(":");
    const { address: ip, family } = await lookup(address.slice(0, colon).replace(/[[\]]/g, ""));
    const type = family === 6 ? "udp6" : "udp4";
    const socket = createSocket({ type, lookup: (_, __, callback) => callback(null, ip, family) });
    const place = { ip, port: Number(address.slice(colon + 1)) };
    const opened = new UdpSocket(socket, ticket, place, events);
    await opened.untilAnswered(timeoutMs);
    return opened;
  }

  /** Bytes that the gateway has not acknowledged. */
  get waitingBytes(): number {
    return this.endpoint.waitingBytes;
  }

  /** Sends bytes, together with the others of this turn. */
  write(bytes: Uint8Array): void {
    if (this.isClosing) return;
    this.endpoint.write(bytes);
    if (this.isFlushing) return;
    this.isFlushing = true;
    queueMicrotask(() => {
      this.isFlushing = false;
      this.endpoint.flush();
    });
  }

  /** Ends the session when the gateway has acknowledged what was written, or after a second. */
  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.endpoint.flush();
    if (this.endpoint.waitingBytes === 0) this.finish();
    else setTimeout(() => this.finish(), LINGER_MS);
  }

  /** Ends the socket without a word to the gateway. */
  destroy(): void {
    this.end();
  }

  // For the endpoint: its way out, its timer, its clock.

  readonly budget = Number.POSITIVE_INFINITY;

  transmit(datagram: Buffer): void {
    if (this.isOver) return;
    // A datagram that cannot be sent is a lost one, and is repeated: the device may have another network in a moment.
    this.socket.send(datagram, this.place.port, this.place.ip, () => {});
  }

  setTimer(ms: number | undefined): void {
    clearTimeout(this.timer);
    this.timer = ms === undefined ? undefined : setTimeout(() => this.endpoint.onTimer(), ms);
  }

  now(): number {
    return performance.now();
  }

  // What the endpoint found in a datagram.

  onGenuine(): boolean {
    return true;
  }

  onBytes(bytes: Buffer): void {
    if (!this.hasHeard) {
      this.hasHeard = true;
      clearInterval(this.keepAlive);
      this.keepAlive = setInterval(() => this.endpoint.acknowledge(), KEEP_ALIVE_MS);
    }
    if (!this.isClosing) this.events.onBytes(bytes);
  }

  onEcho(): void {
    this.onAnswer?.();
  }

  onClose(code: number): void {
    this.end(code);
  }

  private async untilAnswered(timeoutMs: number): Promise<void> {
    const { ip, port } = this.place;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end();
        reject(new Error(`udp ${ip}:${port} did not answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.onAnswer = () => {
        clearTimeout(timer);
        this.onAnswer = undefined;
        resolve();
      };
      this.challengeAgain(AGAIN_MS);
    });
    this.keepAlive = setInterval(() => this.challenge(), PROBE_MS);
  }

  private challengeAgain(pauseMs: number): void {
    if (this.isOver || this.onAnswer === undefined) return;
    this.challenge();
    setTimeout(() => this.challengeAgain(2 * pauseMs), pauseMs).unref();
  }

  private challenge(): void {
    this.endpoint.challenge(randomBytes(udp.challengeBytes));
  }

  private receive(datagram: Buffer): void {
    if (this.isOver || ticketOf(datagram) !== this.ticketId) return;
    this.endpoint.receive(datagram);
    if (this.isOver) return;
    this.endpoint.settle();
    if (this.isClosing && this.endpoint.waitingBytes === 0) this.finish();
  }

  private finish(): void {
    if (this.isOver) return;
    this.endpoint.close();
    // The datagram leaves before the socket is closed.
    setImmediate(() => this.end());
  }

  private end(code?: number): void {
    if (this.isOver) return;
    this.isOver = true;
    this.setTimer(undefined);
    clearInterval(this.keepAlive);
    this.socket.close();
    this.events.onClosed(code);
  }
}
