/**
 * Checks the structure of a payload before anything is allocated for it.
 *
 * The idea: a MessagePack header of five bytes may declare four billion entries, and a decoder that believes it
 * runs out of memory, which it cannot catch. So the prescan first walks the structure without building anything: each
 * declared length must fit into the remaining bytes, and each container counts its depth and its entries. The walk
 * visits each byte at most once. After it, the reader may trust every length.
 *
 * Edge cases:
 * - An empty payload is the empty map.
 * - Floats are refused: the protocol has none, and 1.0 would pass for the integer 1 in JavaScript.
 * - 64-bit integers beyond 2^53 would lose digits, so they are refused.
 * - Keys are at most 64 bytes; duplicates are found by hash first and by bytes when the hashes agree.
 * - Recursion is bounded by the depth limit of 8.
 */
import { limits } from "../generated/limits";
import { isUtf8, readUtf8 } from "./utf8";

const none = new Uint8Array(0);
const protoKey = "__proto__";

/** The first bytes that a payload may contain beside the fixed ranges. The value is the size of the number that follows. */
const lengthSizes: Readonly<Record<number, number>> = {
  196: 1,
  197: 2,
  198: 4,
  217: 1,
  218: 2,
  219: 4,
  220: 2,
  221: 4,
  222: 2,
  223: 4,
};

class Prescan {
  private bytes: Uint8Array = none;
  private at = 0;
  private readonly keyStarts = new Int32Array((limits.maxDepth + 1) * limits.maxEntries);
  private readonly keyEnds = new Int32Array(this.keyStarts.length);
  private readonly keyHashes = new Int32Array(this.keyStarts.length);

  /** See `prescan`. */
  run(bytes: Uint8Array): string | undefined {
    this.bytes = bytes;
    this.at = 0;
    const fault = this.root();
    this.bytes = none;
    return fault === undefined || !/^[:[]/.test(fault) ? fault : `payload${fault}`;
  }

  private root(): string | undefined {
    const { bytes } = this;
    if (bytes.length === 0) return undefined;
    if (bytes.length > limits.maxPayloadBytes) return `: more than ${limits.maxPayloadBytes} bytes`;
    const first = bytes[0] as number;
    if ((first & 0xf0) !== 0x80 && first !== 0xde && first !== 0xdf) return ": must be a map";
    const fault = this.value(1);
    if (fault !== undefined) return fault;
    return this.at === bytes.length ? undefined : `: ${bytes.length - this.at} bytes after the map`;
  }

  /**
   * Walks over one value.
   * @returns undefined, or the path of the fault from here on, a colon and the reason
   */
  private value(depth: number): string | undefined {
    if (this.at >= this.bytes.length) return ": ends too early";
    const first = this.bytes[this.at++] as number;
    if (first < 0x80 || first >= 0xe0) return undefined;
    if (first < 0x90) return this.map(first & 0x0f, depth);
    if (first < 0xa0) return this.list(first & 0x0f, depth);
    if (first < 0xc0) return this.text(first & 0x1f);
    if (first === 0xc0 || first === 0xc2 || first === 0xc3) return undefined;
    if (first >= 0xcc && first <= 0xd3) return this.integer(first);
    if (first === 0xca || first === 0xcb) return ": must be an integer, not a float";
    const size = lengthSizes[first];
    if (size === undefined) return first === 0xc1 ? ": is not MessagePack" : ": extension types are not allowed";
    if (this.at + size > this.bytes.length) return ": ends too early";
    const length = this.unsigned(size);
    if (first >= 0xde) return this.map(length, depth);
    if (first >= 0xdc) return this.list(length, depth);
    if (first >= 0xd9) return this.text(length);
    return this.skip(length);
  }

  private map(length: number, depth: number): string | undefined {
    const fault = this.container(length, 2 * length, depth);
    if (fault !== undefined) return fault;
    const base = depth * limits.maxEntries;
    for (let index = 0; index < length; index++) {
      const keyFault = this.key(base, base + index);
      if (keyFault !== undefined) return keyFault;
      const valueFault = this.value(depth + 1);
      if (valueFault !== undefined) return joinPath(this.keyText(base + index), valueFault);
    }
    return undefined;
  }

  private list(length: number, depth: number): string | undefined {
    const fault = this.container(length, length, depth);
    if (fault !== undefined) return fault;
    for (let index = 0; index < length; index++) {
      const valueFault = this.value(depth + 1);
      if (valueFault !== undefined) return joinPath(`[${index}]`, valueFault);
    }
    return undefined;
  }

  private container(length: number, leastBytes: number, depth: number): string | undefined {
    if (depth > limits.maxDepth) return `: deeper than ${limits.maxDepth} levels`;
    if (length > limits.maxEntries) return `: must have at most ${limits.maxEntries} entries`;
    return this.at + leastBytes > this.bytes.length ? ": declares more entries than there are bytes" : undefined;
  }

  /** Reads a key into slot `slot`; the other keys of the map are in the slots from `base`. */
  private key(base: number, slot: number): string | undefined {
    const { bytes } = this;
    const first = bytes[this.at++];
    if (first === undefined) return ": ends too early";
    let length = first & 0x1f;
    if (first === 0xd9) length = bytes[this.at++] ?? 0;
    else if ((first & 0xe0) !== 0xa0) return ": keys must be short strings";
    if (length > limits.maxKeyBytes) return `: a key is longer than ${limits.maxKeyBytes} bytes`;
    const start = this.at;
    const end = start + length;
    if (end > bytes.length) return ": ends too early";
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
    this.keyStarts[slot] = start;
    this.keyEnds[slot] = end;
    this.keyHashes[slot] = hash;
    this.at = end;
    if (!isUtf8(bytes, start, end)) return ": a key is not UTF-8";
    if (length === protoKey.length && this.keyText(slot) === protoKey) return `${protoKey}: is not allowed as a key`;
    for (let other = base; other < slot; other++) {
      if (this.keyHashes[other] === hash && this.keyText(other) === this.keyText(slot)) {
        return joinPath(this.keyText(slot), ": duplicate key");
      }
    }
    return undefined;
  }

  private keyText(slot: number): string {
    return readUtf8(this.bytes, this.keyStarts[slot] as number, this.keyEnds[slot] as number);
  }

  private text(length: number): string | undefined {
    const start = this.at;
    const fault = this.skip(length);
    if (fault !== undefined) return fault;
    return isUtf8(this.bytes, start, this.at) ? undefined : ": is not UTF-8";
  }

  private skip(length: number): string | undefined {
    if (this.at + length > this.bytes.length) return ": declares more bytes than there are";
    this.at += length;
    return undefined;
  }

  private integer(first: number): string | undefined {
    const size = 1 << (first & 3);
    if (this.at + size > this.bytes.length) return ": ends too early";
    if (size < 8) return this.skip(size);
    const high = this.unsigned(4);
    const low = this.unsigned(4);
    if (high <= 0x1fffff) return undefined;
    const isNegative = first === 0xd3 && (high > 0xffe00000 || (high === 0xffe00000 && low > 0));
    return isNegative ? undefined : ": integer beyond 2^53";
  }

  private unsigned(size: number): number {
    let value = 0;
    for (let index = 0; index < size; index++) value = value * 256 + (this.bytes[this.at++] as number);
    return value;
  }
}

const scanner = /* @__PURE__ */ new Prescan();

/**
 * Walks over a payload without decoding it.
 * @param bytes a MessagePack map, or nothing
 * @returns undefined if `readPayload` may trust the payload, otherwise the fault: "inbox.epoch: is not UTF-8"
 */
export function prescan(bytes: Uint8Array): string | undefined {
  return scanner.run(bytes);
}

function joinPath(key: string, fault: string): string {
  return fault.startsWith(":") || fault.startsWith("[") ? key + fault : `${key}.${fault}`;
}
