/** The checks that the generated validators consist of. */
import { utf8Length } from "./codec/utf8";

/** A decoded map with unchecked values. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns undefined if `fields` is a valid payload, otherwise the first wrong key and what it must be. */
export type Validator = (fields: Fields) => string | undefined;

const longestNamedKey = 64;

export function isMap(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Whether a value is text of `least` to `most` bytes of UTF-8; half of a surrogate pair has no UTF-8 form. */
export function isTextBetween(value: unknown, least: number, most: number): boolean {
  if (typeof value !== "string" || value.length > most) return false;
  const bytes = utf8Length(value);
  return bytes >= least && bytes <= most;
}

export function isIntegerBetween(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** Returns the message about a key that is not in the schema. It cuts a long key, so that an answer stays short. */
export function unknownKey(key: string): string {
  const name = key.length > longestNamedKey ? `${key.slice(0, longestNamedKey)}...` : key;
  return `${name}: unknown key`;
}
