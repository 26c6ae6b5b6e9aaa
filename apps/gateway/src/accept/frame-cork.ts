import { type Belonging, guarded } from "@carillon/base";
import { type Flushable, turnCork } from "../turn-cork";

/** Gathers the frames that one connection is sent in a turn of the event loop, and writes them together at its end. */
export class FrameCork implements Flushable {
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private readonly write: (frames: Uint8Array[], bytes: number) => void;

  /**
   * @param write writes frames of `bytes` bytes in all; called with at least one frame
   * @param connection is ended when its frames cannot be written: those of others are written all the same
   */
  constructor(write: (frames: Uint8Array[], bytes: number) => void, connection: Belonging) {
    this.write = guarded("write", write, connection);
  }

  /** Bytes that wait. */
  get size(): number {
    return this.bytes;
  }

  add(frame: Uint8Array): void {
    this.bytes += frame.length;
    if (this.frames.push(frame) === 1) turnCork.add(this);
  }

  flush(): void {
    if (this.frames.length === 0) return;
    const { frames, bytes } = this;
    this.frames = [];
    this.bytes = 0;
    this.write(frames, bytes);
  }
}

/** Several frames as one piece of bytes. */
export function concatFrames(frames: Uint8Array[], bytes: number): Uint8Array {
  if (frames.length === 1) return frames[0]!;
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}
