/** Checks requests against their schemas. No coercion in bodies: "5" is not a number. */
import { CarillonError } from "@carillon/protocol";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";

interface RouteSchema {
  schema: unknown;
  httpPart?: string | undefined;
}

type Checked = { value: unknown } | { error: Error };

/** A validator compiler for Fastify. What comes in the address is text. */
export function compileCheck({ schema, httpPart }: RouteSchema): (input: unknown) => Checked {
  const validator = Compile(schema as TSchema);
  const isText = httpPart !== "body";
  return (input) => {
    const value = isText ? readNumbers(schema as ObjectSchema, input as Record<string, unknown>) : input;
    if (validator.Check(value)) return { value };
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
