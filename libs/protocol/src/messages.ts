/** From a command number and a payload to a checked, typed message. */
import type { Fields, Validator } from "./checks";
import { prescan } from "./codec/prescan";
import { readPayload } from "./codec/read";
import type { ClientMessage, ServerMessage } from "./generated/payloads";
import { clientValidators, serverValidators } from "./generated/validators";

/** Why a frame is refused; the message names the key where one is wrong. */
export interface MessageFault {
  error: "BAD_PAYLOAD" | "UNKNOWN_COMMAND";
  message: string;
}

/**
 * Checks what a client sent: unknown keys are refused.
 * @param payload MessagePack bytes, or the object of a JSON frame
 * @returns the message, told apart by `command`, or a fault (`"error" in result`)
 */
export function parseRequest(command: number, payload: Uint8Array | Fields): ClientMessage | MessageFault {
  return parse(clientValidators, command, payload) as ClientMessage | MessageFault;
}

/** Checks what the server sent: unknown keys are ignored. Else as parseRequest. */
export function parseServerMessage(command: number, payload: Uint8Array | Fields): ServerMessage | MessageFault {
  return parse(serverValidators, command, payload) as ServerMessage | MessageFault;
}

function parse(
  validators: ReadonlyMap<number, Validator>,
  command: number,
  payload: Uint8Array | Fields,
): { command: number; payload: Fields } | MessageFault {
  const validator = validators.get(command);
  if (validator === undefined) {
    return { error: "UNKNOWN_COMMAND", message: `command ${command} is unknown or not allowed in this direction` };
  }
  let fields: Fields;
  if (payload instanceof Uint8Array) {
    const structuralFault = prescan(payload);
    if (structuralFault !== undefined) return { error: "BAD_PAYLOAD", message: structuralFault };
    fields = readPayload(payload);
  } else {
    fields = payload;
  }
  const fault = validator(fields);
  return fault === undefined ? { command, payload: fields } : { error: "BAD_PAYLOAD", message: fault };
}
