/** Reads schemas/ and refuses contradictions, so that the renderers may trust their input. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The part of JSON Schema that the payloads use, with `minBytes` and `maxBytes` (of UTF-8) added for strings. */
export interface Schema {
  description?: string;
  $ref?: string;
  type?: "object" | "array" | "string" | "integer" | "boolean" | "null";
  enum?: string[];
  format?: string;
  minBytes?: number;
  maxBytes?: number;
  minimum?: number;
  maximum?: number;
  anyOf?: Schema[];
  items?: Schema | false;
  prefixItems?: Schema[];
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
}

/** A row of the command table; `fromClient` and `fromServer` say its direction. A retired command has neither. */
export interface CommandSchema {
  number: number;
  name: string;
  description: string;
  retired?: boolean;
  fromClient?: Schema;
  fromServer?: Schema;
}

interface ErrorSchema {
  code: number;
  name: string;
  httpStatus: number;
  retry: string;
  text: string;
}

export interface Schemas {
  commands: CommandSchema[];
  definitions: Record<string, Schema>;
  errors: ErrorSchema[];
  closeCodes: { code: number; name: string; text: string }[];
  closeRanges: { from: number; to: number; advice: string; text: string }[];
  limits: Record<string, number>;
}

const retries = ["never", "later", "after-auth", "elsewhere"];

/** Reads every schema file of `folder`. Throws an Error that names the row when something contradicts itself. */
export function loadSchemas(folder: string): Schemas {
  const read = (path: string) => JSON.parse(readFileSync(join(folder, path), "utf8"));
  const payloadFiles = readdirSync(join(folder, "payloads")).sort();
  const commands: CommandSchema[] = payloadFiles.flatMap((file) => read(`payloads/${file}`).commands);
  commands.sort((a, b) => a.number - b.number);
  const schemas: Schemas = {
    commands,
    definitions: read("definitions.json").$defs,
    errors: read("errors.json").errors,
    closeCodes: read("close-codes.json").closeCodes,
    closeRanges: read("close-codes.json").ranges,
    limits: read("limits.json").limits,
  };
  refuseContradictions(schemas);
  return schemas;
}

/** Follows a $ref into the definitions; `name` is undefined for a schema written in place. */
export function follow(schema: Schema, definitions: Record<string, Schema>): { name?: string; schema: Schema } {
  if (schema.$ref === undefined) return { schema };
  const name = schema.$ref.split("/").pop() as string;
  const found = definitions[name];
  if (found === undefined) throw new Error(`$ref ${schema.$ref} leads to nothing`);
  return { name, schema: found };
}

/** CONVERSATION_ROW or conversationRow -> ConversationRow. */
export function pascalCase(name: string): string {
  const words = name.includes("_") || name === name.toUpperCase() ? name.toLowerCase().split("_") : [name];
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function refuseContradictions(schemas: Schemas): void {
  onlyOnce(
    "command number",
    schemas.commands.map((row) => row.number),
  );
  onlyOnce(
    "command name",
    schemas.commands.map((row) => row.name),
  );
  onlyOnce(
    "error number",
    schemas.errors.map((row) => row.code),
  );
  onlyOnce(
    "error name",
    schemas.errors.map((row) => row.name),
  );
  onlyOnce(
    "close code",
    schemas.closeCodes.map((row) => row.code),
  );
  onlyOnce(
    "close code name",
    schemas.closeCodes.map((row) => row.name),
  );
  for (const command of schemas.commands) refuseBadCommand(command);
  for (const row of schemas.errors) {
    if (!retries.includes(row.retry)) throw new Error(`${row.name}: retry ${row.retry} is not one of ${retries}`);
  }
  for (const row of schemas.closeCodes) {
    const inRange = schemas.closeRanges.some((range) => row.code >= range.from && row.code <= range.to);
    if (!inRange) throw new Error(`close code ${row.name}: ${row.code} is in no range`);
  }
}

function refuseBadCommand(command: CommandSchema): void {
  const { number, name, fromClient, fromServer } = command;
  if (!Number.isInteger(number) || number < 1 || number > 0xffff) throw new Error(`${name}: ${number} is not a u16`);
  const hasPayload = fromClient !== undefined || fromServer !== undefined;
  if (hasPayload === (command.retired === true)) throw new Error(`${name}: either retired or with a payload`);
  if (fromClient !== undefined && fromClient.additionalProperties !== false) {
    throw new Error(`${name}: what clients send refuses unknown keys, so additionalProperties must be false`);
  }
  if (fromServer?.additionalProperties === false) {
    throw new Error(`${name}: clients ignore unknown keys, so additionalProperties must not be false`);
  }
}

function onlyOnce(what: string, values: readonly (string | number)[]): void {
  const again = values.find((value, index) => values.indexOf(value) !== index);
  if (again !== undefined) throw new Error(`${what} ${again} is used twice`);
}
