/** The frame as JSON text, for browser consoles and command lines: {"command": "PING", "requestId": 1, "payload": {}}. */
import { type Fields, isIntegerBetween, isMap, unknownKey } from "../checks";
import { decodePayload } from "../codec/codec";
import { commandName, commandNumber } from "../commands";
import { limits } from "../generated/limits";
import { scanJson } from "./json-scan";

/** A frame of the JSON form. The payload is structurally sound, but its keys are not yet checked. */
export interface JsonFrame {
  command: number;
  requestId: number;
  payload: Fields;
}

/** A fault. BAD_FRAME and FRAME_TOO_LARGE end the connection; the server answers the other two and continues. */
export interface JsonFrameFault {
  error: "BAD_FRAME" | "FRAME_TOO_LARGE" | "BAD_PAYLOAD" | "UNKNOWN_COMMAND";
  requestId: number;
  message: string;
}

const frameKeys = ["command", "requestId", "payload"];

/**
 * Reads a text message.
 * @returns the frame, or a fault (`"error" in result`) with the requestId if it could be read, otherwise 0
 */
export function decodeJsonFrame(text: string): JsonFrame | JsonFrameFault {
  if (text.length > limits.maxWebSocketMessageBytes) {
    return { error: "FRAME_TOO_LARGE", requestId: 0, message: `${text.length} characters in a message` };
  }
  const frame = parseOrNothing(text);
  if (!isMap(frame)) return { error: "BAD_FRAME", requestId: 0, message: "not a JSON object" };
  const { command, requestId = 0, payload = {} } = frame;
  if (!isIntegerBetween(requestId, 0, 0xffffffff)) {
    return { error: "BAD_FRAME", requestId: 0, message: "requestId: must be an integer from 0 to 4294967295" };
  }
  const refuse = (error: JsonFrameFault["error"], message: string): JsonFrameFault => {
    return { error, requestId: requestId as number, message };
  };
  const stranger = Object.keys(frame).find((key) => !frameKeys.includes(key));
  if (stranger !== undefined) return refuse("BAD_FRAME", unknownKey(stranger));
  if (typeof command !== "string") return refuse("BAD_FRAME", "command: must be the name of a command");
  const fault = scanJson(text);
  if (fault !== undefined) return refuse(fault.inPayload ? "BAD_PAYLOAD" : "BAD_FRAME", fault.message);
  const number = commandNumber(command);
  if (number === undefined) return refuse("UNKNOWN_COMMAND", `command ${command.slice(0, 64)} is unknown`);
  if (!isMap(payload)) return refuse("BAD_PAYLOAD", "payload: must be a map");
  return { command: number, requestId: requestId as number, payload };
}

/**
 * Encodes a frame as text.
 * @param payload an object, or MessagePack bytes to convert into one
 * @throws RangeError if the command number is unknown; CarillonError BAD_PAYLOAD for bytes that are no payload
 */
export function encodeJsonFrame(command: number, requestId: number, payload: Uint8Array | object = {}): string {
  const name = commandName(command);
  if (name === undefined) throw new RangeError(`command ${command} is unknown`);
  const fields = payload instanceof Uint8Array ? decodePayload(payload) : payload;
  return JSON.stringify({ command: name, requestId, payload: fields });
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
