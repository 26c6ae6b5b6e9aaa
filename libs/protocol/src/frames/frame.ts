/** The frame: 12 bytes of header, then the payload. */
import { encodePayloadShared } from "../codec/codec";
import { limits } from "../generated/limits";

/** One frame. `payload` is not yet looked at and may be a view of the bytes it came in. */
export interface Frame {
  command: number;
  requestId: number;
  payload: Uint8Array;
}

/** Why bytes are no frame. `requestId` is 0 where it could not be read. Nothing after it can be understood. */
export interface FrameFault {
  error: "BAD_FRAME" | "FRAME_TOO_LARGE";
  requestId: number;
  message: string;
}

const { headerBytes, lengthFieldBytes } = limits;
const none = new Uint8Array(0);

/** Bytes of the whole frame that begins at `at`, by its length field. */
export function frameSize(bytes: Uint8Array, at: number): number {
  return lengthFieldBytes + readU32(bytes, at);
}

/**
 * Looks at as much of a header as there is. The length is judged as soon as its four bytes are there, so that a
 * sender of nonsense is answered; the rest when the header is whole, so that the answer carries its requestId.
 * @param end where the bytes that have arrived end
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

/** The frame that lies whole at `at` and whose header has no fault. Its payload is a view, not a copy. */
export function frameAt(bytes: Uint8Array, at: number): Frame {
  return {
    command: ((bytes[at + 6] as number) << 8) | (bytes[at + 7] as number),
    requestId: readU32(bytes, at + 8),
    payload: bytes.subarray(at + headerBytes, at + frameSize(bytes, at)),
  };
}

/**
 * The bytes of a frame.
 * @param payload encoded bytes, or an object that is encoded here; nothing is the empty map
 * @throws RangeError when the payload is above 65,536 bytes, or a number does not fit its field
 */
export function encodeFrame(command: number, requestId: number, payload: Uint8Array | object = none): Uint8Array {
  return frameOf(command, requestId, payload instanceof Uint8Array ? payload : encodePayloadShared(payload));
}

/** The frame around a payload that is encoded. Throws as encodeFrame. */
export function frameOf(command: number, requestId: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length);
  writeHeader(frame, command, requestId);
  frame.set(body, headerBytes);
  return frame;
}

/** Fills in the header of `frame`, whose payload is (or will be) everything behind it. Throws as encodeFrame. */
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
