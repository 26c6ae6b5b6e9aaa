/** Checks requests against their schemas. No coercion in bodies: "5" is not a number. */
import { CarillonError } from "@carillon/protocol";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";

interface RouteSchema {
  schema: unknown;
  httpPart?: string | undefined;
}

type Checked = { value: unknown } | { error: Error };

/** A validator compiler for Fastify. What comes in the address is text and is converted first. */
export function compileCheck({ schema, httpPart }: RouteSchema): (input: unknown) => Checked {
  const validator = Compile(schema as TSchema);
  const isText = httpPart !== "body";
  return (input) => {
    const value = isText ? Value.Convert(schema as TSchema, input) : input;
    if (validator.Check(value)) return { value };
    const fault = validator.Errors(value).find(({ message }) => message !== "schema is false");
    return { error: new CarillonError("BAD_PAYLOAD", describe(fault)) };
  };
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
