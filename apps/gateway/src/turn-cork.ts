/** Runs what was put off in this turn of the event loop at its end: once per turn, in order of registration. */
export interface Flushable {
  flush(): void;
}

class TurnCork {
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
