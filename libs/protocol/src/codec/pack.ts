/**
 * The payload of a request, in the same bytes as `encodePayload` gives it: maps, lists, text, booleans and natural numbers are
 * all that a client says. @msgpack/msgpack does much more, and would be a tenth of the SDK.
 */
import { CarillonError } from "../errors";
import { ByteWriter } from "../events/byte-writer";

const writer = /* @__PURE__ */ new ByteWriter();

/** @throws CarillonError BAD_PAYLOAD for what no request may hold: half of a surrogate pair, a fraction */
export function packPayload(payload: object): Uint8Array {
  writer.begin();
  try {
    writeValue(payload);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CarillonError("BAD_PAYLOAD", error.message);
  }
  return writer.finish();
}

function writeValue(value: unknown): void {
  if (typeof value === "string") writer.text(value);
  else if (typeof value === "number") writer.unsigned(value);
  else if (value === true) writer.true();
  else if (value === false) writer.false();
  else if (value === null) writer.nil();
  else if (Array.isArray(value)) {
    writer.listHeader(value.length);
    for (const item of value) writeValue(item);
  } else if (typeof value === "object") writeMap(value as Record<string, unknown>);
  else throw new RangeError(`a ${typeof value} cannot be sent`);
}

/** What is undefined is left out. */
function writeMap(map: Record<string, unknown>): void {
  const given = Object.entries(map).filter(([, value]) => value !== undefined);
  writer.mapHeader(given.length);
  for (const [key, value] of given) {
    writer.text(key);
    writeValue(value);
  }
}
