/** Functions for UTF-8 without copies: lengths of strings, validity of bytes, text of bytes. */

/** Undefined on platforms without the codec, such as React Native. */
const decoder = typeof TextDecoder === "undefined" ? undefined : new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to this many bytes a loop over ASCII is faster than the TextDecoder. */
const shortText = 72;

/** Returns the length of `text` in UTF-8, bytes; -1 if it contains half of a surrogate pair and so has no UTF-8 form. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes += 2;
    } else {
      const next = text.charCodeAt(index + 1);
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return -1;
      bytes += 2;
      index += 1;
    }
  }
  return bytes;
}

/** Returns the text with U+FFFD in place of each half of a surrogate pair, so that it has a UTF-8 form. */
export function wellFormed(text: string): string {
  return utf8Length(text) >= 0 ? text : text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** Whether bytes[start, end) are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const first = bytes[at] as number;
    if (first < 0x80) {
      at += 1;
      continue;
    }
    const size = sequenceSize(first);
    if (size === 0 || at + size > end) return false;
    const second = bytes[at + 1] as number;
    if (second < lowestSecond(first) || second > highestSecond(first)) return false;
    for (let rest = at + 2; rest < at + size; rest++) {
      if (((bytes[rest] as number) & 0xc0) !== 0x80) return false;
    }
    at += size;
  }
  return true;
}

/** Returns the text of bytes[start, end), which must be well-formed. It keeps a leading byte order mark. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > shortText) return decode(bytes, start, end);
  let text = "";
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const eight = readEight(bytes, at);
    if (eight === undefined) return decode(bytes, start, end);
    text += eight;
  }
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) return decode(bytes, start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  return decoder === undefined ? decodeByHand(bytes, start, end) : decoder.decode(bytes.subarray(start, end));
}

/** Decodes well-formed bytes without a decoder of the platform. @throws RangeError for code points beyond Unicode */
export function decodeByHand(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; ) {
    const first = bytes[at++] as number;
    const more = first < 0x80 ? 0 : sequenceSize(first) - 1;
    let code = more <= 0 ? first : first & (0x3f >> more);
    for (let i = 0; i < more; i++) code = (code << 6) | ((bytes[at++] as number) & 0x3f);
    text += String.fromCodePoint(code);
  }
  return text;
}

/** Writes text that has a UTF-8 form, without an encoder of the platform. There must be room. @returns the end of the text */
export function writeUtf8(text: string, bytes: Uint8Array, start: number): number {
  let at = start;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    const more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes[at++] = more === 0 ? code : ((0xff00 >> (more + 1)) & 0xff) | (code >> (6 * more));
    for (let i = more - 1; i >= 0; i--) bytes[at++] = 0x80 | ((code >> (6 * i)) & 0x3f);
  }
  return at;
}

/** Decodes eight characters into one string, which is faster than to join eight. @returns undefined unless all are ASCII */
function readEight(bytes: Uint8Array, at: number): string | undefined {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  const d = bytes[at + 3] as number;
  const e = bytes[at + 4] as number;
  const f = bytes[at + 5] as number;
  const g = bytes[at + 6] as number;
  const h = bytes[at + 7] as number;
  return (a | b | c | d | e | f | g | h) > 0x7f ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h);
}

function sequenceSize(first: number): number {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

/** The second byte decides about overlong forms (after E0, F0), surrogates (ED) and the end of Unicode (F4). */
function lowestSecond(first: number): number {
  if (first === 0xe0) return 0xa0;
  if (first === 0xf0) return 0x90;
  return 0x80;
}

function highestSecond(first: number): number {
  if (first === 0xed) return 0x9f;
  if (first === 0xf4) return 0x8f;
  return 0xbf;
}
