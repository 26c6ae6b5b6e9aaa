/**
 * Datagrams: 8 bytes of ticket, 8 bytes of packet number, then the parts, encrypted and authenticated by ChaCha20-Poly1305
 * (RFC 8439). The nonce is the direction (4 bytes) and the packet number (8 bytes); the 16 header bytes are authenticated too.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { udp } from "./sizes";

/** The first four bytes of the nonce, so that both sides can use one key. */
export const Direction = { TO_GATEWAY: 0, TO_CLIENT: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

const CIPHER = "chacha20-poly1305";
const OPTIONS = { authTagLength: udp.tagBytes };
const NUMBER_BYTES = 8;
/** Packet numbers have 8 bytes on the wire and 6 in use: a session does not send 2^48 datagrams. */
const USED_BYTES = 6;

/** @param ticketId 8 bytes @param key 32 bytes @param parts at most 1,168 bytes */
export function seal(
  direction: Direction,
  ticketId: Uint8Array,
  key: Uint8Array,
  packetNumber: number,
  parts: Uint8Array,
): Buffer {
  const { headerBytes, ticketBytes, tagBytes } = udp;
  const datagram = Buffer.allocUnsafe(headerBytes + parts.length + tagBytes);
  datagram.set(ticketId);
  datagram.writeUInt16BE(0, ticketBytes);
  datagram.writeUIntBE(packetNumber, headerBytes - USED_BYTES, USED_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonceOf(direction, datagram), OPTIONS);
  cipher.setAAD(datagram.subarray(0, headerBytes), { plaintextLength: parts.length });
  datagram.set(cipher.update(parts), headerBytes);
  cipher.final();
  datagram.set(cipher.getAuthTag(), headerBytes + parts.length);
  return datagram;
}

/** The ticket of a datagram in hex; undefined when the datagram is too short or too long to be one. */
export function ticketOf(datagram: Buffer): string | undefined {
  const { headerBytes, ticketBytes, tagBytes, datagramBytes } = udp;
  if (datagram.length <= headerBytes + tagBytes || datagram.length > datagramBytes) return undefined;
  return datagram.toString("hex", 0, ticketBytes);
}

/** The packet number of a datagram of sufficient length; undefined when it is none that is used. */
export function packetNumberOf(datagram: Buffer): number | undefined {
  if (datagram.readUInt16BE(udp.ticketBytes) !== 0) return undefined;
  return datagram.readUIntBE(udp.headerBytes - USED_BYTES, USED_BYTES);
}

/** Decrypts the parts of a datagram. @returns undefined when it is not genuine */
export function unseal(direction: Direction, key: Uint8Array, datagram: Buffer): Buffer | undefined {
  const { headerBytes, tagBytes } = udp;
  const end = datagram.length - tagBytes;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(direction, datagram), OPTIONS);
  decipher.setAAD(datagram.subarray(0, headerBytes), { plaintextLength: end - headerBytes });
  decipher.setAuthTag(datagram.subarray(end));
  const parts = decipher.update(datagram.subarray(headerBytes, end));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return parts;
}

function nonceOf(direction: Direction, datagram: Buffer): Buffer {
  const nonce = Buffer.alloc(4 + NUMBER_BYTES);
  nonce[3] = direction;
  datagram.copy(nonce, 4, udp.ticketBytes, udp.headerBytes);
  return nonce;
}
