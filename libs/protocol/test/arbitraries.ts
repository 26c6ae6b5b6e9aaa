/** Random payloads from the schemas, and ways to spoil them. */
import fc from "fast-check";
import { follow, type Schema } from "../../../scripts/generate/schemas";
import { privateConversationId, utf8Length } from "../src/index";
import { schemas } from "./golden";

const idStart = "ABCXYZabcxyz0189";
const idRest = `${idStart}_-`;

function id(most: number): fc.Arbitrary<string> {
  const rest = fc.string({ unit: fc.constantFrom(...idRest), maxLength: most - 1 });
  return fc
    .tuple(fc.constantFrom(...idStart), rest)
    .map(([first, others]) => first + others)
    .filter((text) => text !== "me" && text !== "current");
}

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });

const uuidv7 = fc
  .tuple(hex(8), hex(4), hex(3), fc.constantFrom("8", "9", "a", "b"), hex(3), hex(12))
  .map(([a, b, c, variant, d, e]) => `${a}-${b}-7${c}-${variant}${d}-${e}`);

const formats: Record<string, fc.Arbitrary<string>> = {
  "user-id": id(32),
  "group-id": id(32),
  "device-id": id(64),
  "node-id": id(64),
  uuidv7,
  target: fc.tuple(fc.constantFrom("u:", "g:"), id(32)).map(([prefix, name]) => prefix + name),
  "conversation-id": fc.oneof(
    id(32).map((name) => `g:${name}`),
    fc.tuple(id(32), id(32)).map(([a, b]) => privateConversationId(a, b)),
  ),
};

/** Text of any script whose UTF-8 form has `least` to `most` bytes; sometimes as long as allowed. */
function text(least: number, most: number): fc.Arbitrary<string> {
  const fits = (value: string) => utf8Length(value) >= least && utf8Length(value) <= most;
  const any = fc.oneof(fc.string({ unit: "grapheme", maxLength: 90 }), fc.string({ unit: "binary", maxLength: 90 }));
  return fc.oneof(
    { weight: 20, arbitrary: any.filter(fits) },
    { weight: 1, arbitrary: fc.constantFrom("x".repeat(most), "é".repeat(Math.floor(most / 2))).filter(fits) },
  );
}

function integer(schema: Schema): fc.Arbitrary<number> {
  const min = schema.minimum ?? 0;
  const max = schema.maximum ?? Number.MAX_SAFE_INTEGER;
  const edges = [127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296].filter((edge) => edge >= min && edge <= max);
  return fc.oneof(
    fc.maxSafeInteger().map((value) => min + (Math.abs(value) % (max - min + 1))),
    fc.constantFrom(min, max, ...edges),
  );
}

/** Any value that fits a schema. */
export function fitting(schema: Schema): fc.Arbitrary<unknown> {
  const found = follow(schema, schemas.definitions).schema;
  if (found.anyOf) return fc.oneof(...found.anyOf.map(fitting));
  if (found.enum) return fc.constantFrom(...found.enum);
  if (found.format) return formats[found.format] as fc.Arbitrary<string>;
  if (found.prefixItems) return fc.tuple(...found.prefixItems.map(fitting));
  switch (found.type) {
    case "string":
      return text(found.minBytes as number, found.maxBytes as number);
    case "integer":
      return integer(found);
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(fitting(found.items as Schema), { maxLength: 3 });
    default:
      return fittingMap(found);
  }
}

function fittingMap(schema: Schema): fc.Arbitrary<Record<string, unknown>> {
  const properties = Object.entries(schema.properties ?? {});
  const model = Object.fromEntries(properties.map(([key, property]) => [key, fitting(property)]));
  return fc.record(model, { requiredKeys: schema.required ?? [], noNullPrototype: true });
}

/** Every payload schema with its command number and the side that sends it. */
export const payloadSchemas = schemas.commands.flatMap(({ number, name, fromClient, fromServer }) => [
  ...(fromClient ? [{ number, name, from: "client" as const, schema: fromClient }] : []),
  ...(fromServer ? [{ number, name, from: "server" as const, schema: fromServer }] : []),
]);
