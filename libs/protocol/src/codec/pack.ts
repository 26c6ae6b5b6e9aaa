/**
 * Encodes the payload of a request, in the same bytes as `encodePayload`. A client sends only maps, lists, text, booleans and
 * natural numbers. @msgpack/msgpack does much more and would be a tenth of the SDK; a client sends little, so this code is short.
 */
import { CarillonError } from "../errors/errors";
import { utf8Length, writeUtf8 } from "./utf8";

/** The first bytes of the forms of a size or a number, and the length of that number in bytes. */
type Forms = readonly (readonly [mark: number, size: number])[];

const NUMBER: Forms = [0xcc, 0xcd, 0xce, 0xcf].map((mark, i) => [mark, 2 ** i]);
const TEXT: Forms = [0xd9, 0xda, 0xdb].map((mark, i) => [mark, 2 ** i]);
const LIST: Forms = [[0xdc, 2]];
const MAP: Forms = [[0xde, 2]];

/** @throws CarillonError BAD_PAYLOAD for values that no request may contain: half of a surrogate pair, a fraction */
export function packPayload(payload: object): Uint8Array {
  const bytes: number[] = [];
  writeValue(bytes, payload);
  return Uint8Array.from(bytes);
}

function writeValue(bytes: number[], value: unknown): void {
  if (typeof value === "string") writeText(bytes, value);
  else if (Number.isSafeInteger(value) && (value as number) >= 0) writeHead(bytes, value as number, 0, 0x80, NUMBER);
  else if (typeof value === "boolean") bytes.push(value ? 0xc3 : 0xc2);
  else if (value === null) bytes.push(0xc0);
  else if (Array.isArray(value)) {
    writeHead(bytes, value.length, 0x90, 16, LIST);
    for (const item of value) writeValue(bytes, item);
  } else if (typeof value === "object") writeMap(bytes, value as Record<string, unknown>);
  else throw unfit(`${value} is not an integer from 0 to 2^53 - 1, nor anything else that can be sent`);
}

/** Encodes a map; undefined values are left out. */
function writeMap(bytes: number[], map: Record<string, unknown>): void {
  const given = Object.entries(map).filter(([, value]) => value !== undefined);
  writeHead(bytes, given.length, 0x80, 16, MAP);
  for (const [key, value] of given) {
    writeText(bytes, key);
    writeValue(bytes, value);
  }
}

function writeText(bytes: number[], text: string): void {
  const length = utf8Length(text);
  if (length < 0) throw unfit("text with half of a surrogate pair has no UTF-8 form");
  writeHead(bytes, length, 0xa0, 32, TEXT);
  const written = new Uint8Array(length);
  writeUtf8(text, written, 0);
  for (const byte of written) bytes.push(byte);
}

/** Encodes a size or a number; below `limit` it is part of the first byte. */
function writeHead(bytes: number[], value: number, fixed: number, limit: number, forms: Forms): void {
  if (value < limit) {
    bytes.push(fixed + value);
    return;
  }
  const [mark, size] = forms.find(([, bytesOf]) => value < 256 ** bytesOf) ?? [];
  if (mark === undefined || size === undefined) throw unfit("too many entries");
  bytes.push(mark);
  for (let place = size - 1; place >= 0; place--) bytes.push(Math.floor(value / 256 ** place) % 256);
}

function unfit(message: string): CarillonError {
  return new CarillonError("BAD_PAYLOAD", message);
}
