/** Writes MessagePack with the shortest form of each value: the same bytes as the generic encoder. */
import { utf8Length } from "../codec/utf8";

const textEncoder = new TextEncoder();

/** Up to this many characters a loop is faster than the encoder. */
const SHORT_TEXT = 72;

/** A buffer that grows and is reused. */
export class ByteWriter {
  private bytes = new Uint8Array(2048);
  private at = 0;

  /** Starts again, with room for `skipped` bytes that the caller fills in afterwards. */
  begin(skipped = 0): void {
    this.reserve(skipped);
    this.at = skipped;
  }

  /** Returns a copy of the written bytes, which belongs to the caller. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(this.at + bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes a byte string. */
  binary(value: Uint8Array): void {
    const { length } = value;
    this.reserve(this.at + 5 + length);
    if (length < 0x100) {
      this.bytes[this.at++] = 0xc4;
      this.bytes[this.at++] = length;
    } else if (length < 0x10000) {
      this.bytes[this.at++] = 0xc5;
      this.u16(length);
    } else {
      this.bytes[this.at++] = 0xc6;
      this.u32(length);
    }
    this.bytes.set(value, this.at);
    this.at += length;
  }

  nil(): void {
    this.reserve(this.at + 1);
    this.bytes[this.at++] = 0xc0;
  }

  true(): void {
    this.reserve(this.at + 1);
    this.bytes[this.at++] = 0xc3;
  }

  false(): void {
    this.reserve(this.at + 1);
    this.bytes[this.at++] = 0xc2;
  }

  mapHeader(entries: number): void {
    this.header(entries, 0x80, 0xde);
  }

  listHeader(entries: number): void {
    this.header(entries, 0x90, 0xdc);
  }

  /** Writes a number. @throws RangeError unless it is an integer from 0 to 2^53 - 1 */
  unsigned(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${value} is not an integer from 0 to 2^53 - 1`);
    this.reserve(this.at + 9);
    if (value < 0x80) {
      this.bytes[this.at++] = value;
    } else if (value < 0x100) {
      this.bytes[this.at++] = 0xcc;
      this.bytes[this.at++] = value;
    } else if (value < 0x10000) {
      this.bytes[this.at++] = 0xcd;
      this.u16(value);
    } else if (value < 0x100000000) {
      this.bytes[this.at++] = 0xce;
      this.u32(value);
    } else {
      this.bytes[this.at++] = 0xcf;
      this.u32(Math.floor(value / 0x100000000));
      this.u32(value % 0x100000000);
    }
  }

  /**
   * Writes a text. Nearly all text is ASCII, with as many bytes as characters: the writer assumes that, and undoes its write if
   * the text is not ASCII.
   * @throws RangeError for text with half of a surrogate pair
   */
  text(value: string): void {
    const { length } = value;
    const start = this.at;
    this.reserve(start + 5 + length);
    this.textHeader(length);
    if (length <= SHORT_TEXT) {
      const { bytes } = this;
      let index = 0;
      for (let code = 0; index < length; index++) {
        code = value.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[this.at + index] = code;
      }
      this.at += length;
      if (index === length) return;
    } else {
      const { read, written } = textEncoder.encodeInto(value, this.bytes.subarray(this.at, this.at + length));
      this.at += length;
      if (read === length && written === length) return;
    }
    this.at = start;
    this.anyText(value);
  }

  private anyText(value: string): void {
    const length = utf8Length(value);
    if (length < 0) throw new RangeError("text with half of a surrogate pair has no UTF-8 form");
    this.reserve(this.at + 5 + length);
    this.textHeader(length);
    textEncoder.encodeInto(value, this.bytes.subarray(this.at, this.at + length));
    this.at += length;
  }

  private textHeader(length: number): void {
    if (length < 32) {
      this.bytes[this.at++] = 0xa0 | length;
    } else if (length < 0x100) {
      this.bytes[this.at++] = 0xd9;
      this.bytes[this.at++] = length;
    } else if (length < 0x10000) {
      this.bytes[this.at++] = 0xda;
      this.u16(length);
    } else {
      this.bytes[this.at++] = 0xdb;
      this.u32(length);
    }
  }

  private header(entries: number, fixed: number, marked: number): void {
    this.reserve(this.at + 3);
    if (entries < 16) {
      this.bytes[this.at++] = fixed | entries;
    } else {
      this.bytes[this.at++] = marked;
      this.u16(entries);
    }
  }

  private u16(value: number): void {
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value & 0xff;
  }

  private u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  private reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = new Uint8Array(2 * size);
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }
}

/** Returns the MessagePack form of a key, to be written with `raw`. */
export function encodedKey(key: string): Uint8Array {
  const writer = new ByteWriter();
  writer.text(key);
  return writer.finish();
}

/** Whether `bytes` contain `key` at `at`. */
export function hasKeyAt(bytes: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let index = 0; index < key.length; index++) {
    if (bytes[at + index] !== key[index]) return false;
  }
  return true;
}
