/** The part of MQTT 3.1.1 that a load client needs: log-in, SUBSCRIBE, PUBLISH and PUBACK with QoS 1. */

/** Packet types, in the upper four bits of the first byte. */
export const PacketType = { CONNACK: 2, PUBLISH: 3, PUBACK: 4, SUBACK: 9 } as const;

export interface Packet {
  type: number;
  /** The bytes behind the fixed header. */
  body: Buffer;
}

/** Cuts a stream into packets, wherever its chunks begin and end. */
export class PacketCutter {
  private rest: Buffer = Buffer.alloc(0);

  /** @throws Error when a length is longer than MQTT's four bytes */
  push(chunk: Buffer): Packet[] {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const packets: Packet[] = [];
    let at = 0;
    for (;;) {
      const length = readLength(bytes, at + 1);
      if (length === undefined || length.next + length.value > bytes.length) break;
      const end = length.next + length.value;
      packets.push({ type: bytes[at]! >> 4, body: bytes.subarray(length.next, end) });
      at = end;
    }
    this.rest = bytes.subarray(at);
    return packets;
  }
}

/** Reads seven bits of each byte, the lowest first; the eighth says that more follow. Returns undefined while bytes are missing. */
function readLength(bytes: Buffer, from: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value, next: from + i + 1 };
  }
  throw new Error("an MQTT length has more than four bytes");
}

function packet(firstByte: number, ...parts: Uint8Array[]): Buffer {
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = [firstByte];
  do {
    header.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  return Buffer.concat([Buffer.from(header), ...parts]);
}

const number16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

/** Encodes a string as MQTT writes it: its length in two bytes before it. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number16(bytes.length), bytes]);
}

/** Encodes CONNECT for a persistent session (clean session off) without keep-alive. */
export function encodeConnect(clientId: string): Buffer {
  return packet(0x10, text("MQTT"), Buffer.from([4, 0]), number16(0), text(clientId));
}

export function encodeSubscribe(packetId: number, topic: Uint8Array): Buffer {
  return packet(0x82, number16(packetId), topic, Buffer.from([1]));
}

/** Encodes a PUBLISH with QoS 1. @param topic as `text` encodes it */
export function encodePublish(packetId: number, topic: Uint8Array, content: string): Buffer {
  return packet(0x32, topic, number16(packetId), Buffer.from(content));
}

export function encodePuback(packetId: number): Buffer {
  return packet(0x40, number16(packetId));
}

export const DISCONNECT = packet(0xe0);

/** Reads a PUBLISH with QoS 1. */
export function decodePublish(body: Buffer): { packetId: number; content: string } {
  const topicEnd = 2 + body.readUInt16BE(0);
  return { packetId: body.readUInt16BE(topicEnd), content: body.toString("utf8", topicEnd + 2) };
}
