/**
 * One end of a session over UDP: seals and opens datagrams, and carries one stream of bytes each way. It knows no socket: the owner
 * passes datagrams in and out, and calls `onTimer` when it is due.
 */
import { type Direction, Direction as Directions, packetNumberOf, seal, unseal } from "./datagram";
import { IncomingStream } from "./incoming-stream";
import { OutgoingStream, type Segment } from "./outgoing-stream";
import { type Part, PartsWriter, readParts } from "./parts";
import { ReplayWindow } from "./replay-window";
import { udp } from "./sizes";

export interface UdpTicket {
  /** 8 bytes. */
  ticketId: Uint8Array;
  /** 32 bytes. */
  key: Uint8Array;
}

/** A ticket as the api gives it, both values in hex. */
export interface TicketInHex {
  ticketId: string;
  key: string;
}

export function readTicket({ ticketId, key }: TicketInHex): UdpTicket {
  return { ticketId: Buffer.from(ticketId, "hex"), key: Buffer.from(key, "hex") };
}

export interface EndpointEvents {
  /**
   * A genuine datagram has come that was not seen before.
   * @param isNewest whether none with a higher number has come
   * @param bytes its length
   * @returns whether its parts are taken
   */
  onGenuine(isNewest: boolean, bytes: number): boolean;
  /** Bytes of the stream, in order. */
  onBytes(bytes: Buffer): void;
  /** A challenge of ours has come back. */
  onEcho(token: Buffer): void;
  /** The other side has ended the session. */
  onClose(code: number): void;
}

export interface EndpointOwner {
  /** Bytes that may be sent now in datagrams of the stream. */
  readonly budget: number;
  /** Sends a datagram, or drops it. */
  transmit(datagram: Buffer): void;
  /** Asks for a call of `onTimer` in `ms`; undefined: none is needed. A later call replaces this one. */
  setTimer(ms: number | undefined): void;
  /** Monotonic ms. */
  now(): number;
}

/** What became of a datagram. */
export type Arrival = "genuine" | "forged" | "repeated";

/** Datagrams with data that may come before one is acknowledged. */
const UNACKNOWLEDGED = 2;
const CLOSE_CODE_OF_A_CLIENT = 0;
/** What a datagram has around its segment, bytes, at most. */
const MOST_AROUND_DATA = udp.datagramBytes - udp.segmentBytes;

export class UdpEndpoint {
  private readonly incoming = new IncomingStream();
  private readonly outgoing = new OutgoingStream();
  private readonly replay = new ReplayWindow();
  private readonly outwards: Direction;
  private readonly inwards: Direction;
  private packetNumber = 0;
  /** Datagrams with data that were not acknowledged, and when an acknowledgement is due, monotonic ms. */
  private unacknowledged = 0;
  private acknowledgeAt: number | undefined;
  /** The code with which this side has ended the session. */
  private closedBy: number | undefined;

  constructor(
    side: "gateway" | "client",
    private readonly ticket: UdpTicket,
    private readonly owner: EndpointOwner,
    private readonly events: EndpointEvents,
  ) {
    const isGateway = side === "gateway";
    this.outwards = isGateway ? Directions.TO_CLIENT : Directions.TO_GATEWAY;
    this.inwards = isGateway ? Directions.TO_GATEWAY : Directions.TO_CLIENT;
  }

  /** Bytes that the other side has not acknowledged. */
  get waitingBytes(): number {
    return this.outgoing.waitingBytes;
  }

  /** Queues bytes of the stream; `flush` sends them. */
  write(bytes: Uint8Array): void {
    this.outgoing.write(bytes);
  }

  /** Sends what may be sent now. */
  flush(): void {
    if (this.closedBy !== undefined) return;
    const now = this.owner.now();
    for (;;) {
      const segment = this.outgoing.next(now, this.owner.budget - MOST_AROUND_DATA);
      if (segment === undefined) break;
      this.sendParts(segment);
    }
    this.setTimer(now);
  }

  /** Takes a datagram of this ticket. */
  receive(datagram: Buffer): Arrival {
    const number = packetNumberOf(datagram);
    if (number === undefined) return "forged";
    // Cheap, and before anything is decrypted.
    if (!this.replay.isNew(number)) return "repeated";
    const bytes = unseal(this.inwards, this.ticket.key, datagram);
    if (bytes === undefined) return "forged";
    const isNewest = number > this.replay.highest;
    this.replay.add(number);
    if (!this.events.onGenuine(isNewest, datagram.length)) return "genuine";
    // The other side has not heard that the session has ended.
    if (this.closedBy !== undefined) this.sendClose(this.closedBy);
    else for (const part of readParts(bytes)) this.take(part);
    return "genuine";
  }

  /** Sends what a datagram has made necessary, after the owner has answered what was in it. */
  settle(): void {
    if (this.closedBy !== undefined) return;
    this.flush();
    if (this.unacknowledged >= UNACKNOWLEDGED || (this.unacknowledged > 0 && this.incoming.hasGap)) this.acknowledge();
  }

  onTimer(): void {
    if (this.closedBy !== undefined) return;
    const now = this.owner.now();
    const { deadline } = this.outgoing;
    if (deadline !== undefined && deadline <= now) this.outgoing.timeOut(now);
    this.flush();
    if (this.acknowledgeAt !== undefined && this.acknowledgeAt <= now) this.acknowledge();
  }

  /** Asks the other side to send 8 bytes back, which shows that it receives at its address. */
  challenge(token: Uint8Array): void {
    const writer = new PartsWriter();
    writer.challenge(token);
    this.send(writer);
  }

  /** Ends the session at once: what was not acknowledged is given up. */
  close(code = CLOSE_CODE_OF_A_CLIENT): void {
    this.closedBy = code;
    this.sendClose(code);
    this.owner.setTimer(undefined);
  }

  private sendClose(code: number): void {
    const writer = new PartsWriter();
    writer.close(code);
    this.send(writer);
  }

  private take(part: Part): void {
    switch (part.kind) {
      case "received":
        return this.outgoing.acknowledge(part.received, part.ranges, this.owner.now());
      case "data":
        return this.takeData(part.offset, part.bytes);
      case "challenge":
        return this.echo(part.token);
      case "echo":
        return this.events.onEcho(part.token);
      case "close":
        return this.events.onClose(part.code);
    }
  }

  private takeData(offset: number, bytes: Buffer): void {
    this.unacknowledged++;
    this.acknowledgeAt ??= this.owner.now() + udp.ackDelayMs;
    for (const piece of this.incoming.take(offset, bytes)) this.events.onBytes(piece);
  }

  private echo(token: Buffer): void {
    const writer = new PartsWriter();
    writer.echo(token);
    this.send(writer);
  }

  /** Sends how much has come. Nobody answers that, but routers keep the way open for it. */
  acknowledge(): void {
    if (this.owner.budget < MOST_AROUND_DATA) return;
    const writer = new PartsWriter();
    this.addReceived(writer);
    this.send(writer);
    this.setTimer(this.owner.now());
  }

  private sendParts(segment: Segment): void {
    const writer = new PartsWriter();
    this.addReceived(writer);
    writer.data(segment.offset, segment.bytes);
    this.send(writer);
  }

  private addReceived(writer: PartsWriter): void {
    writer.received(this.incoming.received, this.incoming.ranges);
    this.unacknowledged = 0;
    this.acknowledgeAt = undefined;
  }

  private send({ parts }: PartsWriter): void {
    const { ticketId, key } = this.ticket;
    this.owner.transmit(seal(this.outwards, ticketId, key, this.packetNumber++, parts));
  }

  private setTimer(now: number): void {
    const { deadline = Number.POSITIVE_INFINITY } = this.outgoing;
    const due = Math.min(deadline, this.acknowledgeAt ?? Number.POSITIVE_INFINITY);
    this.owner.setTimer(due === Number.POSITIVE_INFINITY ? undefined : Math.max(0, due - now));
  }
}
