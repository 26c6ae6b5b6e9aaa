const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz";

/** The two digits of each byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Fills bytes from the platform's secure source. React Native has none by itself: there, ids are still as good as unique, and
 * no secrets are created there.
 */
function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const { crypto: source } = globalThis as { crypto?: { getRandomValues(bytes: Uint8Array): Uint8Array } };
  if (source !== undefined) return source.getRandomValues(bytes);
  return bytes.map(() => Math.floor(Math.random() * 256));
}

/** Random text of `length` letters and digits (5.7 bits each) from the platform's secure source. */
export function randomId(length = 16): string {
  let id = "";
  for (const byte of randomBytes(length)) id += ALPHABET[byte % ALPHABET.length];
  return id;
}

/**
 * A UUID of version 7 (RFC 9562): 48 bits of Unix ms, then random bits.
 * @param now ms since the Unix epoch, by the server's clock
 * @param rest 16 bytes for all parts except time, version and variant; the same bytes give the same id
 */
export function uuidv7(now: number, rest: Uint8Array = randomBytes(16)): string {
  const bytes = rest.slice(0, 16);
  let ms = now;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  let id = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) id += "-";
    id += HEX[bytes[i]!];
  }
  return id;
}

/**
 * MurmurHash3 (x86, 32 bit; Austin Appleby, public domain) over the characters of an ASCII id.
 * It was chosen because partitions and ring slots need an even spread and all nodes must agree. It does not protect
 * against chosen keys.
 * @returns unsigned 32-bit integer
 */
export function hash32(text: string, seed = 0): number {
  const length = text.length;
  const blocks = length & ~3;
  let h = seed | 0;
  for (let i = 0; i < blocks; i += 4) {
    const k =
      (text.charCodeAt(i) & 0xff) |
      ((text.charCodeAt(i + 1) & 0xff) << 8) |
      ((text.charCodeAt(i + 2) & 0xff) << 16) |
      ((text.charCodeAt(i + 3) & 0xff) << 24);
    h ^= scramble(k);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let i = length - 1; i >= blocks; i--) tail = (tail << 8) | (text.charCodeAt(i) & 0xff);
  if (length > blocks) h ^= scramble(tail);
  h ^= length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function scramble(k: number): number {
  const mixed = Math.imul(k, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** The partition of a conversation: every gateway, worker and api must agree on it. */
export function partitionOf(conversationId: string, partitions: number): number {
  return hash32(conversationId) % partitions;
}
