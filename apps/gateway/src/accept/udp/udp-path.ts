/**
 * The address to which datagrams of a session go: that of the client's newest datagram. Until the client has sent a challenge
 * back from there, at most three times the bytes that came from there are sent there: somebody who makes a client's datagrams come
 * from a victim's address must not direct a flood at the victim.
 */
import { randomBytes } from "node:crypto";
import { udp } from "@carillon/udp";

const AMPLIFICATION = 3;
/** A challenge is repeated after this time, ms. */
const AGAIN_MS = 200;
/** A datagram with a challenge, or with the echo of one. */
const CHALLENGE_BYTES = udp.headerBytes + 1 + udp.challengeBytes + udp.tagBytes;
const KEPT_FOR_CHALLENGES = 3 * CHALLENGE_BYTES;

export interface UdpAddress {
  address: string;
  port: number;
}

export class UdpPath implements UdpAddress {
  readonly address: string;
  readonly port: number;
  private receivedBytes = 0;
  private sentBytes = 0;
  /** Undefined once it has come back. */
  private token: Buffer | undefined = randomBytes(udp.challengeBytes);
  private challengedAt = Number.NEGATIVE_INFINITY;

  constructor({ address, port }: UdpAddress) {
    this.address = address;
    this.port = port;
  }

  leadsTo({ address, port }: UdpAddress): boolean {
    return port === this.port && address === this.address;
  }

  /** Bytes of the stream that may be sent there: some are kept for challenges. */
  get budget(): number {
    return this.left - KEPT_FOR_CHALLENGES;
  }

  maySend(bytes: number): boolean {
    return bytes <= this.left;
  }

  received(bytes: number): void {
    if (this.token !== undefined) this.receivedBytes += bytes;
  }

  sent(bytes: number): void {
    if (this.token !== undefined) this.sentBytes += bytes;
  }

  /** The challenge that has to be sent now, if there is one. @param now monotonic ms */
  challenge(now: number): Buffer | undefined {
    if (this.token === undefined || now - this.challengedAt < AGAIN_MS) return undefined;
    this.challengedAt = now;
    return this.token;
  }

  private get left(): number {
    return this.token === undefined ? Number.POSITIVE_INFINITY : AMPLIFICATION * this.receivedBytes - this.sentBytes;
  }

  /** A challenge has come back. @param from where it came from */
  prove(token: Buffer, from: UdpAddress): void {
    if (this.leadsTo(from) && this.token?.equals(token)) this.token = undefined;
  }
}
