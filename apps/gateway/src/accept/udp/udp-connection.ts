/** A client over UDP: a session of datagrams that carries the same stream of frames as a TCP connection. */
import { type Clock, guarded, type TimerWheel, type WheelEntry } from "@carillon/base";
import { CloseCode, FrameDecoder } from "@carillon/protocol";
import { type Arrival, type EndpointEvents, type EndpointOwner, UdpEndpoint } from "@carillon/udp";
import { type ClientConnection, type ConnectionEvents, FrameCork, LINGER_MS } from "../client-connection";
import { type UdpAddress, UdpPath } from "./udp-path";
import type { IssuedTicket } from "./udp-tickets";

/** What all connections over UDP share: the way out, the clock, the door. */
export interface UdpHost {
  readonly mostQueuedBytes: number;
  readonly wheel: Pick<TimerWheel, "set" | "cancel">;
  readonly clock: Pick<Clock, "monotonic">;
  /** Sends a datagram to the path. */
  transmit(datagram: Buffer, path: UdpPath): void;
  /** Takes a connection over, at its first genuine datagram. @returns whether there is a place for it */
  admit(connection: UdpConnection, from: UdpAddress): boolean;
  /** Forgets a connection: its datagrams are no longer answered. */
  forget(connection: UdpConnection): void;
}

/** A session lives this long at most; then its client opens another, ms. */
const LIFE_MS = 24 * 60 * 60 * 1_000;
/** Bytes that wait for a slow reader; below this, a reader counts as one that has caught up. */
const HIGH_WATER_BYTES = 65_536;

export class UdpConnection implements ClientConnection, EndpointOwner, EndpointEvents {
  readonly transport = "udp";
  receivedBytes = 0;
  private readonly endpoint: UdpEndpoint;
  private readonly decoder = new FrameDecoder();
  private readonly cork: FrameCork;
  private readonly timer: WheelEntry;
  private readonly endsAt: number;
  private path: UdpPath;
  /** Where the datagram comes from that is being taken. */
  private from: UdpAddress;
  private events: ConnectionEvents | undefined;
  private isAdmitted = false;
  private closing = false;
  private isOver = false;
  private isBehind = false;
  private closeCode: number = CloseCode.GOING_AWAY;

  constructor(
    private readonly host: UdpHost,
    readonly ticket: IssuedTicket,
    from: UdpAddress,
  ) {
    this.from = from;
    this.path = new UdpPath(from);
    this.endpoint = new UdpEndpoint("gateway", ticket, this, this);
    this.timer = { due: -1, expire: () => this.onTimer() };
    this.endsAt = host.clock.monotonic() + LIFE_MS;
    this.cork = new FrameCork((frames) => this.write(frames), {
      remote: this.remote,
      end: () => this.close(CloseCode.INTERNAL),
    });
  }

  get remote(): string {
    return `${this.path.address}:${this.path.port}`;
  }

  get owner() {
    return this.ticket.owner;
  }

  get queuedBytes(): number {
    return this.endpoint.waitingBytes + this.cork.size;
  }

  attach(events: ConnectionEvents): void {
    this.events = events;
  }

  /** Takes a datagram that names the ticket of this connection. */
  receive(datagram: Buffer, from: UdpAddress): Arrival {
    this.from = from;
    const arrival = this.endpoint.receive(datagram);
    this.from = this.path;
    if (arrival !== "genuine" || !this.isAdmitted) return arrival;
    this.endpoint.settle();
    if (this.closing && this.endpoint.waitingBytes === 0) this.finish();
    if (this.isBehind && this.queuedBytes < HIGH_WATER_BYTES) {
      this.isBehind = false;
      this.events!.onDrained();
    }
    if (this.now() > this.endsAt) this.close(CloseCode.GOING_AWAY);
    return arrival;
  }

  send(frame: Uint8Array): void {
    if (!this.closing) this.cork.add(frame);
  }

  close(code: number): void {
    if (this.closing) return;
    this.cork.flush();
    this.closing = true;
    this.closeCode = code;
    if (this.endpoint.waitingBytes === 0) return this.finish();
    setTimeout(
      guarded("socket", () => this.finish()),
      LINGER_MS,
    ).unref();
  }

  // For the endpoint: its way out, its clock.

  get budget(): number {
    return this.path.budget;
  }

  transmit(datagram: Buffer): void {
    if (!this.path.maySend(datagram.length)) return;
    this.path.sent(datagram.length);
    this.host.transmit(datagram, this.path);
  }

  setTimer(ms: number | undefined): void {
    const { wheel } = this.host;
    if (ms === undefined) wheel.cancel(this.timer);
    else wheel.set(this.timer, ms);
  }

  now(): number {
    return this.host.clock.monotonic();
  }

  // What the endpoint found in a datagram.

  onGenuine(isNewest: boolean, bytes: number): boolean {
    if (isNewest && !this.path.leadsTo(this.from)) this.path = new UdpPath(this.from);
    if (this.path.leadsTo(this.from)) this.path.received(bytes);
    if (!this.isAdmitted && !this.host.admit(this, this.from)) return false;
    this.isAdmitted = true;
    this.challenge();
    return true;
  }

  onBytes(bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    if (this.closing) return;
    for (const frame of this.decoder.push(bytes)) {
      this.events!.onFrame(frame);
      if (this.closing) return;
    }
    const fault = this.decoder.fault;
    if (fault !== undefined) this.events!.onFault({ ...fault, recoverable: false });
  }

  onEcho(token: Buffer): void {
    this.path.prove(token, this.from);
  }

  onClose(): void {
    this.closing = true;
    this.setTimer(undefined);
    this.end();
    this.host.forget(this);
  }

  private onTimer(): void {
    // What waits for an answer may wait for a proof of the address, whose challenge was lost.
    this.challenge();
    this.endpoint.onTimer();
  }

  private challenge(): void {
    const challenge = this.path.challenge(this.now());
    if (challenge !== undefined) this.endpoint.challenge(challenge);
  }

  private write(frames: Uint8Array[]): void {
    for (const frame of frames) this.endpoint.write(frame);
    this.endpoint.flush();
    const { waitingBytes } = this.endpoint;
    if (waitingBytes > HIGH_WATER_BYTES) this.isBehind = true;
    if (waitingBytes > this.host.mostQueuedBytes) this.close(CloseCode.SLOW_READER);
  }

  /** Ends the session. For some seconds the client's datagrams are still answered by the close code, which may have been lost. */
  private finish(): void {
    if (this.isOver) return;
    this.endpoint.close(this.closeCode);
    this.end();
    setTimeout(
      guarded("socket", () => this.host.forget(this)),
      LINGER_MS,
    ).unref();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events!.onClosed();
  }
}
