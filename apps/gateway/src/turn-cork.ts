/** Runs what was put off in this turn of the event loop at its end: once per turn, in order of registration. */
import { guarded, reportCaught } from "@carillon/base";

export interface Flushable {
  flush(): void;
}

class TurnCork {
  private waiting: Flushable[] = [];

  /** Has `flush` called at the end of the turn. The caller sees to it that it registers once only. */
  add(flushable: Flushable): void {
    if (this.waiting.push(flushable) === 1) setImmediate(guarded("flush", () => this.run()));
  }

  private run(): void {
    // What is registered meanwhile (frames of a DELIVER that is flushed) belongs to this turn, too.
    for (let i = 0; i < this.waiting.length; i++) {
      try {
        this.waiting[i]!.flush();
      } catch (error) {
        // The turn belongs to everybody: one that fails must not keep the frames of the others.
        reportCaught("flush", error);
      }
    }
    this.waiting = [];
  }
}

export const turnCork = new TurnCork();
