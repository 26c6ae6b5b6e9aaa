/** Turns a command number and a payload into a checked, typed message. */
import { type Fields, isMap, type Validator } from "./checks";
import { prescan } from "./codec/prescan";
import { readPayload } from "./codec/read";
import { faultOf } from "./from-server/shapes";
import type { ClientMessage, ServerMessage } from "./generated/payloads";
import { serverShapes } from "./generated/shapes";
import { clientValidators } from "./generated/validators";

/** The reason why a frame is refused; the message names the wrong key, if there is one. */
export interface MessageFault {
  error: "BAD_PAYLOAD" | "UNKNOWN_COMMAND";
  message: string;
}

/**
 * Checks a message of a client; it refuses unknown keys.
 * @param payload MessagePack bytes, or the object of a JSON frame
 * @returns the message with its `command`, or a fault (`"error" in result`)
 */
export function parseRequest(command: number, payload: Uint8Array | Fields): ClientMessage | MessageFault {
  const validator = clientValidators.get(command);
  if (validator === undefined) return unknownCommand(command);
  const structuralFault = payload instanceof Uint8Array ? prescan(payload) : undefined;
  if (structuralFault !== undefined) return badPayload(structuralFault);
  return check(validator, command, fieldsOf(payload)) as ClientMessage | MessageFault;
}

/**
 * Checks a message of the server, like `parseRequest`, but it ignores unknown keys. Only servers check the structure of a payload
 * before they read it, because clients may be hostile.
 */
export function parseServerMessage(command: number, payload: Uint8Array | Fields): ServerMessage | MessageFault {
  const shape = serverShapes.get(command);
  if (shape === undefined) return unknownCommand(command);
  const read = readFields(payload);
  if ("error" in read) return read;
  return check((fields) => faultOf(fields, shape), command, read.fields) as ServerMessage | MessageFault;
}

/** Decodes an unchecked payload. */
export function readFields(payload: Uint8Array | Fields): { fields: Fields } | MessageFault {
  try {
    const fields = fieldsOf(payload);
    return isMap(fields) ? { fields } : badPayload("a payload is a map");
  } catch (error) {
    return badPayload((error as Error).message);
  }
}

function fieldsOf(payload: Uint8Array | Fields): Fields {
  return payload instanceof Uint8Array ? readPayload(payload) : payload;
}

function check(
  validator: Validator,
  command: number,
  payload: Fields,
): { command: number; payload: Fields } | MessageFault {
  const fault = validator(payload);
  return fault === undefined ? { command, payload } : badPayload(fault);
}

function badPayload(message: string): MessageFault {
  return { error: "BAD_PAYLOAD", message };
}

function unknownCommand(command: number): MessageFault {
  return { error: "UNKNOWN_COMMAND", message: `command ${command} is unknown or not allowed in this direction` };
}
