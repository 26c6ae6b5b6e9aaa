/** The frame: a header of 12 bytes, then the payload. */
import { encodePayloadShared } from "../codec/codec";
import { limits } from "../generated/limits";

/** A frame. `payload` is unchecked and may be a view of the received bytes. */
export interface Frame {
  command: number;
  requestId: number;
  payload: Uint8Array;
}

/** The reason why bytes are no frame. `requestId` is 0 if it could not be read. No later byte can be read. */
export interface FrameFault {
  error: "BAD_FRAME" | "FRAME_TOO_LARGE";
  requestId: number;
  message: string;
}

const { headerBytes, lengthFieldBytes } = limits;
const none = new Uint8Array(0);

/** Returns the length of the whole frame that begins at `at`, by its length field, bytes. */
export function frameSize(bytes: Uint8Array, at: number): number {
  return lengthFieldBytes + readU32(bytes, at);
}

/**
 * Checks as much of a header as has arrived. It checks the length as soon as its four bytes are there, so that a
 * sender of nonsense gets an answer, and the rest when the header is whole, so that the answer carries its requestId.
 * @param end the end of the bytes that have arrived
 */
export function headerFault(bytes: Uint8Array, at: number, end: number): FrameFault | undefined {
  if (end - at < lengthFieldBytes) return undefined;
  const length = readU32(bytes, at);
  if (length < limits.minFrameLength) {
    return { error: "BAD_FRAME", requestId: 0, message: `length ${length} is below ${limits.minFrameLength}` };
  }
  const isWhole = end - at >= headerBytes;
  if (length > limits.maxFrameLength) {
    const requestId = isWhole ? readU32(bytes, at + 8) : 0;
    return { error: "FRAME_TOO_LARGE", requestId, message: `length ${length} is above ${limits.maxFrameLength}` };
  }
  if (!isWhole) return undefined;
  if (bytes[at + 4] !== limits.version) {
    return { error: "BAD_FRAME", requestId: readU32(bytes, at + 8), message: `version ${bytes[at + 4]} is not 1` };
  }
  if (bytes[at + 5] !== 0) {
    return { error: "BAD_FRAME", requestId: readU32(bytes, at + 8), message: "a flag is set" };
  }
  return undefined;
}

/** Returns the frame at `at`, which must be whole and have no fault in its header. Its payload is a view, not a copy. */
export function frameAt(bytes: Uint8Array, at: number): Frame {
  return {
    command: ((bytes[at + 6] as number) << 8) | (bytes[at + 7] as number),
    requestId: readU32(bytes, at + 8),
    payload: bytes.subarray(at + headerBytes, at + frameSize(bytes, at)),
  };
}

/**
 * Encodes a frame.
 * @param payload encoded bytes, or an object to encode; undefined is the empty map
 * @throws RangeError if the payload is above 65,536 bytes, or if a number does not fit its field
 */
export function encodeFrame(command: number, requestId: number, payload: Uint8Array | object = none): Uint8Array {
  return frameOf(command, requestId, payload instanceof Uint8Array ? payload : encodePayloadShared(payload));
}

/** Encodes a frame around an encoded payload. Throws as `encodeFrame`. */
export function frameOf(command: number, requestId: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length);
  writeHeader(frame, command, requestId);
  frame.set(body, headerBytes);
  return frame;
}

/** Writes the header of `frame`, whose payload is (or will be) everything after the header. Throws as `encodeFrame`. */
export function writeHeader(frame: Uint8Array, command: number, requestId: number): void {
  const payloadBytes = frame.length - headerBytes;
  if (payloadBytes > limits.maxPayloadBytes) {
    throw new RangeError(`a payload of ${payloadBytes} bytes is above ${limits.maxPayloadBytes}`);
  }
  if (!Number.isInteger(command) || command < 0 || command > 0xffff) throw new RangeError(`command ${command}`);
  if (!Number.isInteger(requestId) || requestId < 0 || requestId > 0xffffffff) {
    throw new RangeError(`requestId ${requestId} is not a u32`);
  }
  writeU32(frame, 0, frame.length - lengthFieldBytes);
  frame[4] = limits.version;
  frame[5] = 0;
  frame[6] = command >>> 8;
  frame[7] = command & 0xff;
  writeU32(frame, 8, requestId);
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = bytes[at] as number;
  return (
    high * 0x1000000 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  );
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}
