/** Converts payload bytes to objects and back. */
import { Encoder } from "@msgpack/msgpack";
import { CarillonError } from "../errors/errors";
import { limits } from "../generated/limits";
import { prescan } from "./prescan";
import { readPayload } from "./read";

// The encoder counts scalars inside the innermost map as a level of their own.
const encoder = /* @__PURE__ */ new Encoder({ ignoreUndefined: true, maxDepth: limits.maxDepth + 1 });

/**
 * Decodes the map of a payload.
 * @param bytes a MessagePack map with string keys, or no bytes for the empty map; the result does not alias them
 * @throws CarillonError BAD_PAYLOAD with the wrong key, if there is one
 */
export function decodePayload(bytes: Uint8Array): Record<string, unknown> {
  const fault = prescan(bytes);
  if (fault !== undefined) throw new CarillonError("BAD_PAYLOAD", fault);
  return readPayload(bytes);
}

/**
 * Encodes a payload with its keys in the order of the object. Keys with the value undefined are left out.
 * The result belongs to the caller.
 */
export function encodePayload(payload: object): Uint8Array {
  return encoder.encode(payload);
}

/** Encodes like `encodePayload`, but the result is valid only until the next call: the caller must copy it at once. */
export function encodePayloadShared(payload: object): Uint8Array {
  return encoder.encodeSharedRef(payload);
}
