/**
 * Turns bytes into frames.
 *
 * The idea: a frame that is whole in a chunk becomes a view of the chunk, without a copy. The decoder copies only the piece of a
 * frame at the end of a chunk, because holding the chunk itself would pin 64 KiB for a few bytes.
 *
 * Edge cases:
 * - The store for a piece grows with the bytes that have arrived, to at most twice their number, whatever the length
 *   field declares: ten thousand connections that declare 64 KiB and send nothing need almost no memory.
 * - The decoder gives a store away with its frame and never uses it again, so views stay valid.
 * - After a fault the decoder reads nothing more, because the stream has lost its frame boundaries. Frames before the fault are
 *   still returned.
 */
import { limits } from "../generated/limits";
import { type Frame, type FrameFault, frameAt, frameSize, headerFault } from "./frame";

const none = new Uint8Array(0);
const firstStoreBytes = 256;

/** Cuts a TCP byte stream into frames. Does no I/O. */
export class FrameDecoder {
  private store = none;
  private held = 0;
  private deadBy: FrameFault | undefined;

  /** The fault that ended the stream, or undefined. */
  get fault(): FrameFault | undefined {
    return this.deadBy;
  }

  /** The number of stored bytes of an unfinished frame. */
  get heldBytes(): number {
    return this.held;
  }

  /** The number of bytes that are allocated for the unfinished frame. */
  get storeBytes(): number {
    return this.store.length;
  }

  /**
   * Takes the next bytes of the stream.
   * @param chunk any number of bytes; the frames are views of it, so the caller must not write to it again
   * @returns the frames that are now whole, in order. The caller must then check `fault`.
   */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    if (this.deadBy !== undefined) return frames;
    let at = this.held > 0 ? this.finishHeld(chunk, frames) : 0;
    while (this.deadBy === undefined && at < chunk.length) {
      this.deadBy = headerFault(chunk, at, chunk.length);
      if (this.deadBy !== undefined) break;
      const isWhole = chunk.length - at >= limits.headerBytes && chunk.length - at >= frameSize(chunk, at);
      if (!isWhole) {
        this.hold(chunk, at, chunk.length, limits.maxFrameBytes);
        break;
      }
      frames.push(frameAt(chunk, at));
      at += frameSize(chunk, at);
    }
    if (this.deadBy !== undefined) this.dropStore();
    return frames;
  }

  /** Completes the held frame as far as the chunk reaches. @returns how many bytes of the chunk it took */
  private finishHeld(chunk: Uint8Array, frames: Frame[]): number {
    let at = 0;
    if (this.held < limits.headerBytes) {
      at = Math.min(chunk.length, limits.headerBytes - this.held);
      this.hold(chunk, 0, at, limits.headerBytes);
      this.deadBy = headerFault(this.store, 0, this.held);
      if (this.deadBy !== undefined || this.held < limits.headerBytes) return at;
    }
    const size = frameSize(this.store, 0);
    const end = Math.min(chunk.length, at + size - this.held);
    this.hold(chunk, at, end, size);
    if (this.held === size) {
      frames.push(frameAt(this.store, 0));
      this.dropStore();
    }
    return end;
  }

  /** Appends chunk[from, to) to the store, which never grows beyond `most` bytes unless it already is. */
  private hold(chunk: Uint8Array, from: number, to: number, most: number): void {
    const needed = this.held + to - from;
    if (needed > this.store.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(most, Math.max(firstStoreBytes, 2 * this.store.length))));
      grown.set(this.store.subarray(0, this.held));
      this.store = grown;
    }
    this.store.set(chunk.subarray(from, to), this.held);
    this.held = needed;
  }

  private dropStore(): void {
    this.store = none;
    this.held = 0;
  }
}

/**
 * Cuts a binary WebSocket message, which contains one or more whole frames.
 * @returns the frames before the fault, if there is one, as views of the message
 */
export function decodeFrames(message: Uint8Array): { frames: Frame[]; fault: FrameFault | undefined } {
  const frames: Frame[] = [];
  if (message.length > limits.maxWebSocketMessageBytes) {
    return {
      frames,
      fault: { error: "FRAME_TOO_LARGE", requestId: 0, message: `${message.length} bytes in a message` },
    };
  }
  if (message.length === 0) return { frames, fault: endsEarly(message, 0) };
  let at = 0;
  while (at < message.length) {
    const fault = headerFault(message, at, message.length);
    if (fault !== undefined) return { frames, fault };
    if (message.length - at < limits.headerBytes || message.length - at < frameSize(message, at)) {
      return { frames, fault: endsEarly(message, at) };
    }
    frames.push(frameAt(message, at));
    at += frameSize(message, at);
  }
  return { frames, fault: undefined };
}

function endsEarly(message: Uint8Array, at: number): FrameFault {
  const isReadable = message.length - at >= limits.headerBytes;
  const requestId = isReadable ? frameAt(message, at).requestId : 0;
  return { error: "BAD_FRAME", requestId, message: "the message ends inside a frame" };
}
