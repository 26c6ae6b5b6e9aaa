/** Runs what was put off in this turn of the event loop at its end: once per turn, in order of registration. */
export interface Flushable {
  flush(): void;
}

export class TurnCork {
  private waiting: Flushable[] = [];

  /** Has `flush` called at the end of the turn. The caller sees to it that it registers once only. */
  add(flushable: Flushable): void {
    if (this.waiting.push(flushable) === 1) setImmediate(() => this.run());
  }

  private run(): void {
    // What is registered meanwhile (frames of a DELIVER that is flushed) belongs to this turn, too.
    for (let i = 0; i < this.waiting.length; i++) this.waiting[i]!.flush();
    this.waiting = [];
  }
}

export const turnCork = new TurnCork();

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
