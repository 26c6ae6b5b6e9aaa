/**
 * One clock for the cluster. Wall clocks of machines differ and jump; ages, leases and message times must not.
 * So every process measures with its monotonic clock and adds the offset to the clock of NATS, which is read
 * at start and every 30 s. Without an offset yet, the wall clock of the start is the best guess.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch on the cluster's clock, integer. */
  now(): number;
  /** Milliseconds on the monotonic clock: only differences have a meaning. */
  monotonic(): number;
}

/** A clock that is at most so much ahead runs at half speed until the reference has caught up, ms; else it is set back. */
const MOST_SLEWED_MS = 30_000;

export class ClusterClock implements Clock {
  private origin = Date.now() - performance.now();
  /** How much the clock was ahead of the reference when it was corrected, and when that was (monotonic ms). */
  private ahead = { ms: 0, since: 0 };
  private last = 0;

  /**
   * Does not go back when the offset is corrected by a little: serverTime and message times stay in order. A clock that
   * stood still until it was overtaken would take all ids for late, and drop all questions as too late, for as long.
   */
  now(): number {
    const monotonic = performance.now();
    const left = this.ahead.ms - (monotonic - this.ahead.since) / 2;
    const now = Math.floor(this.origin + monotonic + Math.max(0, left));
    if (now > this.last || this.last - now > MOST_SLEWED_MS) this.last = now;
    return this.last;
  }

  monotonic(): number {
    return performance.now();
  }

  /**
   * Takes over a reading of the reference clock.
   * @param reference ms since the Unix epoch as the reference said it
   * @param sentAt monotonic ms before asking
   * @param receivedAt monotonic ms after the answer; the reading is taken to be from the middle
   */
  adjust(reference: number, sentAt: number, receivedAt: number): void {
    const monotonic = performance.now();
    const origin = reference - (sentAt + receivedAt) / 2;
    const ahead = this.last - (origin + monotonic);
    this.origin = origin;
    this.ahead = { ms: ahead > 0 && ahead <= MOST_SLEWED_MS ? ahead : 0, since: monotonic };
  }
}
