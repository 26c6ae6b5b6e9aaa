/** Payload bytes to objects and back. */
import { Encoder } from "@msgpack/msgpack";
import { CarillonError } from "../errors/errors";
import { limits } from "../generated/limits";
import { prescan } from "./prescan";
import { readPayload } from "./read";

// The encoder counts scalars inside the innermost map as a level of their own.
const encoder = /* @__PURE__ */ new Encoder({ ignoreUndefined: true, maxDepth: limits.maxDepth + 1 });

/**
 * The map that a payload holds.
 * @param bytes a MessagePack map with string keys, or nothing for the empty map; not aliased by the result
 * @throws CarillonError BAD_PAYLOAD with the key that is wrong, if there is one
 */
export function decodePayload(bytes: Uint8Array): Record<string, unknown> {
  const fault = prescan(bytes);
  if (fault !== undefined) throw new CarillonError("BAD_PAYLOAD", fault);
  return readPayload(bytes);
}

/**
 * The bytes of a payload, keys in the order of the object. Keys whose value is undefined are left out.
 * The result belongs to the caller.
 */
export function encodePayload(payload: object): Uint8Array {
  return encoder.encode(payload);
}

/** As encodePayload, but the result is only good until the next call: for copying it on at once. */
export function encodePayloadShared(payload: object): Uint8Array {
  return encoder.encodeSharedRef(payload);
}
