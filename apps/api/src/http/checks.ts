/** Checks requests against their schemas. No coercion in bodies: "5" is not a number. */
import { CarillonError, displayNameFault, nameFault, noticeFault, remarkFault, utf8Length } from "@carillon/protocol";
import type { FastifyReply } from "fastify";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";

interface RouteSchema {
  schema: unknown;
  httpPart?: string | undefined;
}

type Checked = { value: unknown } | { error: Error };

/** A validator compiler for Fastify. Parameters and query arrive as text. */
export function compileCheck({ schema, httpPart }: RouteSchema): (input: unknown) => Checked {
  const validator = Compile(schema as TSchema);
  const isText = httpPart !== "body";
  return (input) => {
    const value = isText ? readNumbers(schema as ObjectSchema, input as Record<string, unknown>) : input;
    if (validator.Check(value)) {
      const fault = findBadText(schema as TextSchema, value, "");
      return fault === undefined ? { value } : { error: new CarillonError("BAD_PAYLOAD", fault) };
    }
    const fault = validator.Errors(value).find(({ message }) => message !== "schema is false");
    return { error: new CarillonError("BAD_PAYLOAD", describe(fault)) };
  };
}

interface ObjectSchema {
  properties?: Record<string, { type?: string }>;
}

/** Whole numbers written as text become numbers where the schema wants one; anything else stays and is refused. */
function readNumbers({ properties = {} }: ObjectSchema, input: Record<string, unknown>): Record<string, unknown> {
  const read = (key: string, value: unknown) =>
    properties[key]?.type === "integer" && typeof value === "string" && /^-?\d{1,16}$/.test(value)
      ? Number(value)
      : value;
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, read(key, value)]));
}

/** The use of a text, as its schema says under `words`: it decides which characters are allowed. */
const WORDS = {
  name: nameFault,
  displayName: displayNameFault,
  remark: remarkFault,
  notice: noticeFault,
};

interface TextSchema {
  words?: keyof typeof WORDS;
  properties?: Record<string, TextSchema>;
}

/**
 * Text with half of a surrogate pair has no UTF-8 form: it would be stored, and come back, as another text.
 * @param value of a right shape, so it is no deeper than the schema
 * @returns the path of a bad text and what is wrong with it
 */
function findBadText(schema: TextSchema | undefined, value: unknown, path: string): string | undefined {
  if (typeof value === "string") {
    const illFormed = utf8Length(value) < 0 ? "has half of a surrogate pair" : undefined;
    const fault = illFormed ?? (schema?.words === undefined ? undefined : WORDS[schema.words](value));
    return fault === undefined ? undefined : `${path}: ${fault}`;
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, entry] of Object.entries(value)) {
    const found = findBadText(schema?.properties?.[key], entry, path === "" ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Fault {
  keyword: string;
  instancePath: string;
  message: string;
  params: object;
}

/** `key: what is wrong with it`. */
function describe(fault: Fault | undefined): string {
  if (fault === undefined) return "malformed";
  const path = fault.instancePath.slice(1).replaceAll("/", ".");
  const { additionalProperties, requiredProperties } = fault.params as Record<string, string[] | undefined>;
  if (fault.keyword === "additionalProperties") return `${additionalProperties?.[0]?.slice(0, 64)}: unknown key`;
  if (fault.keyword === "required") return `${requiredProperties?.[0]}: is missing`;
  return `${path === "" ? "body" : path}: ${fault.message}`;
}

/**
 * Answers a change that other nodes have to confirm: 204 when all have, or 202.
 * @param late nodes that have not
 */
export function confirmed(reply: FastifyReply, late: string[]): FastifyReply {
  return late.length === 0 ? reply.code(204).send() : reply.code(202).send({ unconfirmed: late });
}
