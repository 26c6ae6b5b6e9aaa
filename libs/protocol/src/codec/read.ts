/**
 * Builds the values of MessagePack: payloads that `prescan` has passed, and values that servers send each other.
 * (The code does not use the decoder of @msgpack/msgpack: that one drops a byte order mark at the start of a long string, so a
 * message would get shorter on its way.)
 */
import { readUtf8 } from "./utf8";

const none = new Uint8Array(0);

const KNOWN_KEYS = 256;

/** No server sends deeper values; a chain of one-byte lists would overflow the stack and so end the process. */
const MOST_LEVELS = 64;

class Reader {
  private bytes: Uint8Array = none;
  private at = 0;
  private level = 0;
  private readonly knownKeys: (string | undefined)[] = new Array(KNOWN_KEYS).fill(undefined);

  /** @param aliases whether byte strings are views of `bytes` instead of copies */
  constructor(private readonly aliases: boolean) {}

  /** @throws Error if the bytes are not exactly one value */
  run(bytes: Uint8Array): unknown {
    this.bytes = bytes;
    this.at = 0;
    this.level = 0;
    const value = this.value();
    this.bytes = none;
    if (this.at !== bytes.length) throw endsElsewhere();
    return value;
  }

  private value(): unknown {
    const first = this.bytes[this.at++] as number;
    if (first < 0x80) return first;
    if (first >= 0xe0) return first - 0x100;
    if (first < 0x90) return this.map(first & 0x0f);
    if (first < 0xa0) return this.list(first & 0x0f);
    if (first < 0xc0) return this.text(first & 0x1f);
    return this.marked(first);
  }

  private marked(first: number): unknown {
    switch (first) {
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.binary(this.unsigned(1));
      case 0xc5:
        return this.binary(this.unsigned(2));
      case 0xc6:
        return this.binary(this.unsigned(4));
      case 0xca:
        return this.float(4);
      case 0xcb:
        return this.float(8);
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.unsigned(1 << (first & 3));
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.signed(1 << (first & 3));
      case 0xd9:
        return this.text(this.unsigned(1));
      case 0xda:
        return this.text(this.unsigned(2));
      case 0xdb:
        return this.text(this.unsigned(4));
      case 0xdc:
        return this.list(this.unsigned(2));
      case 0xdd:
        return this.list(this.unsigned(4));
      case 0xde:
        return this.map(this.unsigned(2));
      case 0xdf:
        return this.map(this.unsigned(4));
      default:
        return null;
    }
  }

  private map(length: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.enter(length);
    for (let index = 0; index < length; index++) {
      const key = this.key();
      map[key] = this.value();
    }
    this.level--;
    return map;
  }

  /** Reads a key: the same few keys come again and again, so their strings are cached. */
  private key(): string {
    const { bytes } = this;
    const first = bytes[this.at++] as number;
    const length = first === 0xd9 ? (bytes[this.at++] as number) : first & 0x1f;
    const start = this.at;
    this.at += length;
    const slot = (37 * length + 5 * (bytes[start] ?? 0) + (bytes[this.at - 1] ?? 0)) & (KNOWN_KEYS - 1);
    const known = this.knownKeys[slot];
    if (known !== undefined && isTextAt(bytes, start, length, known)) return known;
    const key = readUtf8(bytes, start, this.at);
    this.knownKeys[slot] = key;
    return key;
  }

  private list(length: number): unknown[] {
    const list: unknown[] = [];
    this.enter(length);
    for (let index = 0; index < length; index++) list.push(this.value());
    this.level--;
    return list;
  }

  private text(length: number): string {
    const start = this.at;
    this.at += length;
    return readUtf8(this.bytes, start, this.at);
  }

  private binary(length: number): Uint8Array {
    const start = this.at;
    this.at += length;
    return this.aliases ? this.bytes.subarray(start, this.at) : this.bytes.slice(start, this.at);
  }

  private float(size: 4 | 8): number {
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.mustHold(size);
    const view = new DataView(buffer, byteOffset, byteLength);
    const value = size === 4 ? view.getFloat32(this.at) : view.getFloat64(this.at);
    this.at += size;
    return value;
  }

  private unsigned(size: number): number {
    let value = 0;
    for (let index = 0; index < size; index++) value = value * 256 + (this.bytes[this.at++] as number);
    return value;
  }

  private signed(size: number): number {
    const high = ((this.bytes[this.at++] as number) << 24) >> 24;
    let value = high;
    for (let index = 1; index < size; index++) value = value * 256 + (this.bytes[this.at++] as number);
    return value;
  }

  private enter(entries: number): void {
    if (++this.level > MOST_LEVELS) throw new Error(`deeper than ${MOST_LEVELS} levels`);
    this.mustHold(entries);
  }

  /** Checks a declared number of entries: each entry has at least one byte, so a larger number is a fault. */
  private mustHold(entries: number): void {
    if (entries > this.bytes.length - this.at) throw endsElsewhere();
  }
}

function endsElsewhere(): Error {
  return new Error("these bytes are not one value of MessagePack");
}

/** Compares bytes with a text, character by character; text beyond ASCII never matches. */
function isTextAt(bytes: Uint8Array, start: number, length: number, text: string): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f || bytes[start + index] !== code) return false;
  }
  return true;
}

const reader = new Reader(false);
const aliasingReader = new Reader(true);

/**
 * Decodes the map in `bytes`, which `prescan` must have passed. No bytes are the empty map. The result does not alias `bytes`.
 */
export function readPayload(bytes: Uint8Array): Record<string, unknown> {
  return bytes.length === 0 ? {} : (reader.run(bytes) as Record<string, unknown>);
}

/**
 * Decodes a value of any kind that one of our servers has encoded. Its byte strings are views of `bytes`.
 * @throws Error if the bytes are not exactly one value, or deeper than 64 levels
 */
export function readValue(bytes: Uint8Array): unknown {
  return aliasingReader.run(bytes);
}
