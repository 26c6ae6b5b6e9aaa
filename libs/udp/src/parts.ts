/**
 * The parts of a datagram, one after another:
 *
 * | kind | part      | bytes                                                                              |
 * | ---- | --------- | ---------------------------------------------------------------------------------- |
 * | 1    | received  | 1, received (6), number of ranges (1), for each range: from (6), to (6)              |
 * | 2    | data      | 2, offset (6), length (2), the bytes                                                 |
 * | 3    | challenge | 3, 8 random bytes                                                                   |
 * | 4    | echo      | 4, the 8 bytes of a challenge                                                        |
 * | 5    | close     | 5, close code (2)                                                                   |
 *
 * All numbers are big-endian. A reader ignores an unknown kind and everything behind it.
 */
import { udp } from "./sizes";

const Kind = { RECEIVED: 1, DATA: 2, CHALLENGE: 3, ECHO: 4, CLOSE: 5 } as const;
const OFFSET_BYTES = 6;
const MOST_PARTS_BYTES = udp.datagramBytes - udp.headerBytes - udp.tagBytes;

/** Bytes of the stream from one number up to, not including, another. */
export interface Range {
  from: number;
  to: number;
}

interface Received {
  kind: "received";
  /** The number of bytes of the stream that have come without a gap. */
  received: number;
  /** Bytes behind a gap that have come as well, ascending. */
  ranges: Range[];
}

export type Part =
  | Received
  | { kind: "data"; offset: number; bytes: Buffer }
  | { kind: "challenge" | "echo"; token: Buffer }
  | { kind: "close"; code: number };

/** Puts parts into one datagram. The caller adds the data last, which always fits then. */
export class PartsWriter {
  private readonly bytes = Buffer.allocUnsafe(MOST_PARTS_BYTES);
  private end = 0;

  get parts(): Buffer {
    return this.bytes.subarray(0, this.end);
  }

  received(received: number, ranges: readonly Range[]): void {
    this.byte(Kind.RECEIVED);
    this.offset(received);
    this.byte(ranges.length);
    for (const { from, to } of ranges) {
      this.offset(from);
      this.offset(to);
    }
  }

  data(offset: number, bytes: Uint8Array): void {
    this.byte(Kind.DATA);
    this.offset(offset);
    this.end = this.bytes.writeUInt16BE(bytes.length, this.end);
    this.raw(bytes);
  }

  challenge(token: Uint8Array): void {
    this.byte(Kind.CHALLENGE);
    this.raw(token);
  }

  echo(token: Uint8Array): void {
    this.byte(Kind.ECHO);
    this.raw(token);
  }

  close(code: number): void {
    this.byte(Kind.CLOSE);
    this.end = this.bytes.writeUInt16BE(code, this.end);
  }

  private byte(value: number): void {
    this.bytes[this.end++] = value;
  }

  private offset(value: number): void {
    this.end = this.bytes.writeUIntBE(value, this.end, OFFSET_BYTES);
  }

  private raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }
}

/** @returns the parts, as views; those before the first that is unknown or ends too early */
export function readParts(bytes: Buffer): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = readPart(bytes, at);
    if (found === undefined || found.end > bytes.length) break;
    parts.push(found.part);
    at = found.end;
  }
  return parts;
}

function readPart(bytes: Buffer, at: number): { part: Part; end: number } | undefined {
  const body = at + 1;
  const has = (length: number) => bytes.length - body >= length;
  switch (bytes[at]) {
    case Kind.RECEIVED:
      return has(OFFSET_BYTES + 1) ? readReceived(bytes, body) : undefined;
    case Kind.DATA: {
      if (!has(OFFSET_BYTES + 2)) return undefined;
      const start = body + OFFSET_BYTES + 2;
      const end = start + bytes.readUInt16BE(start - 2);
      const offset = bytes.readUIntBE(body, OFFSET_BYTES);
      return { part: { kind: "data", offset, bytes: bytes.subarray(start, end) }, end };
    }
    case Kind.CHALLENGE:
    case Kind.ECHO: {
      const kind = bytes[at] === Kind.ECHO ? "echo" : "challenge";
      const end = body + udp.challengeBytes;
      return { part: { kind, token: bytes.subarray(body, end) }, end };
    }
    case Kind.CLOSE:
      return has(2) ? { part: { kind: "close", code: bytes.readUInt16BE(body) }, end: body + 2 } : undefined;
    default:
      return undefined;
  }
}

function readReceived(bytes: Buffer, body: number): { part: Received; end: number } | undefined {
  const received = bytes.readUIntBE(body, OFFSET_BYTES);
  const count = bytes[body + OFFSET_BYTES]!;
  const first = body + OFFSET_BYTES + 1;
  const end = first + count * 2 * OFFSET_BYTES;
  if (count > udp.mostRanges || end > bytes.length) return undefined;
  const ranges: Range[] = [];
  for (let at = first; at < end; at += 2 * OFFSET_BYTES) {
    ranges.push({ from: bytes.readUIntBE(at, OFFSET_BYTES), to: bytes.readUIntBE(at + OFFSET_BYTES, OFFSET_BYTES) });
  }
  return { part: { kind: "received", received, ranges }, end };
}
