/** The checks that the generated validators are made of. */
import { utf8Length } from "./codec/utf8";

/** A decoded map whose values are not yet known to be right. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns undefined when `fields` is a right payload, else the first bad key and what it must be. */
export type Validator = (fields: Fields) => string | undefined;

const longestNamedKey = 64;

export function isMap(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** True for text of `least` to `most` bytes of UTF-8; text with half of a surrogate pair has no UTF-8 form. */
export function isTextBetween(value: unknown, least: number, most: number): boolean {
  if (typeof value !== "string" || value.length > most) return false;
  const bytes = utf8Length(value);
  return bytes >= least && bytes <= most;
}

export function isIntegerBetween(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** The message about a key that the schema does not have. A long key is cut, so that an answer stays short. */
export function unknownKey(key: string): string {
  const name = key.length > longestNamedKey ? `${key.slice(0, longestNamedKey)}...` : key;
  return `${name}: unknown key`;
}
