/** Column types that many tables share. */
import type { EntitySchemaColumnOptions } from "typeorm";

const ascii = { charset: "ascii", collation: "ascii_bin" } as const;

/** BIGINT as a number: the stored values stay far below 2^53. */
const toNumber = {
  from: (value: unknown) => (value === null ? null : Number(value)),
  to: (value: unknown) => value,
};

/** A group id, or another id of at most 32 characters. */
export const id = (name: string, options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({
  name,
  type: "varchar",
  length: 32,
  ...ascii,
  ...options,
});

/** A user or device id, a digest in hex, or another text of at most 64 ASCII characters. */
export const longId = (name: string, options: Partial<EntitySchemaColumnOptions> = {}) =>
  id(name, { length: 64, ...options });

export const conversationId = (name: string, options: Partial<EntitySchemaColumnOptions> = {}) =>
  id(name, { length: 131, ...options });

/** One of a few words of the code. */
export const word = (name: string, options: Partial<EntitySchemaColumnOptions> = {}) =>
  id(name, { length: 16, ...options });

/** A number, version or sequence. */
export const counter = (name: string, options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({
  name,
  type: "bigint",
  unsigned: true,
  transformer: toNumber,
  ...options,
});

/** ms since 1970. */
export const time = (name: string, options: Partial<EntitySchemaColumnOptions> = {}): EntitySchemaColumnOptions => ({
  name,
  type: "bigint",
  transformer: toNumber,
  ...options,
});

export const flag = (name: string): EntitySchemaColumnOptions => ({
  name,
  type: "tinyint",
  default: 0,
  transformer: { from: (value: unknown) => value === 1, to: (value: boolean) => (value ? 1 : 0) },
});

/** Text for people, at most `length` characters. */
export const text = (
  name: string,
  length: number,
  options: Partial<EntitySchemaColumnOptions> = {},
): EntitySchemaColumnOptions => ({ name, type: "varchar", length, ...options });

export const oneOf = (
  name: string,
  words: readonly string[],
  options: Partial<EntitySchemaColumnOptions> = {},
): EntitySchemaColumnOptions => ({ name, type: "enum", enum: [...words], ...options });
