/**
 * Checks a server's message by the table of its shapes (`scripts/generate/shapes.ts` describes its form). Keys that are not in
 * the shape may be of a newer server, and are ignored.
 */
import { type Fields, isIntegerBetween, isMap, isTextBetween } from "../checks";
import { shapes } from "../generated/shapes";
import { isClientMsgId, isConversationId, isGroupId, isNodeId, isUserId } from "../ids";

/** The maps that lists consist of. */
export type ShapeName = keyof typeof shapes;

const formats: Record<string, (value: unknown) => boolean> = {
  "conversation-id": isConversationId,
  "group-id": isGroupId,
  "node-id": isNodeId,
  "user-id": isUserId,
  uuidv7: isClientMsgId,
  bool: (value) => typeof value === "boolean",
};

/** @returns undefined if the value is right, otherwise the first wrong key and what it must be */
export function faultOf(fields: Fields, shape: string): string | undefined {
  const parts = shape.split("\t");
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const [key, mark] = (parts[i] as string).split("?") as [string, string | undefined];
    const value = fields[key];
    if (value === undefined && mark !== undefined) continue;
    const fault = value === undefined ? ": missing" : valueFault(value, parts[i + 1] as string);
    if (fault !== undefined) return key + fault;
  }
  return undefined;
}

/** As `faultOf`, for a map of the table. */
export const mapFault = (value: unknown, name: ShapeName): string | undefined =>
  isMap(value) ? faultOf(value, shapes[name]) : "must be a map";

/** @returns the text that follows the path of the value */
function valueFault(value: unknown, type: string): string | undefined {
  const rest = type.slice(1);
  switch (type[0]) {
    case "{": {
      if (!isMap(value)) return ": must be a map";
      const fault = faultOf(value, shapes[rest as ShapeName]);
      return fault && `.${fault}`;
    }
    case "[": {
      const [most] = rest.split(" ", 1) as [string];
      if (!Array.isArray(value) || value.length > Number(most)) return `: must be a list of at most ${most} entries`;
      return firstFault(value, () => rest.slice(most.length + 1));
    }
    case "(": {
      const types = rest.split(",");
      if (!Array.isArray(value) || value.length !== types.length) return `: must be a list of ${types.length} entries`;
      return firstFault(value, (index) => types[index] as string);
    }
    default:
      return isScalar(value, type.split(" ")) ? undefined : `: must be ${type}`;
  }
}

function firstFault(values: readonly unknown[], typeOf: (index: number) => string): string | undefined {
  for (const [index, value] of values.entries()) {
    const fault = valueFault(value, typeOf(index));
    if (fault !== undefined) return `[${index}]${fault}`;
  }
  return undefined;
}

function isScalar(value: unknown, [kind, ...words]: readonly string[]): boolean {
  const [least = 0, most = Number.MAX_SAFE_INTEGER] = words.map(Number);
  if (kind === "int") return isIntegerBetween(value, least, most);
  if (kind === "text") return isTextBetween(value, least, most);
  if (kind === "of") return words.includes(value as string);
  return (formats[kind as string] as (value: unknown) => boolean)(value);
}
