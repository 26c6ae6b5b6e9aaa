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
