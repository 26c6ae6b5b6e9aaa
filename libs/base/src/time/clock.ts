/**
 * One clock for the cluster. Wall clocks of machines differ and jump, but ages, leases and message times must not. So every
 * process measures with its monotonic clock and adds the offset to the clock of NATS, which it reads at start and every 30 s.
 * Before the first reading, the wall clock of the start is the best guess.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch on the cluster's clock, integer. */
  now(): number;
  /** Milliseconds on the monotonic clock: only differences have a meaning. */
  monotonic(): number;
}

/**
 * A clock that is ahead by at most this time, ms, runs at half speed until the reference has caught up; otherwise it is set
 * back.
 */
const MOST_SLEWED_MS = 30_000;

export class ClusterClock implements Clock {
  private origin = Date.now() - performance.now();
  /** By how much the clock was ahead of the reference at its correction, and the time of the correction (monotonic ms). */
  private ahead = { ms: 0, since: 0 };
  private last = 0;

  /**
   * Does not go back when the offset is corrected by a little, so that serverTime and message times stay in order. Nor does it
   * stand still until the reference has caught up: then all ids and all questions would count as late meanwhile.
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
   * @param reference time of the reference, ms since the Unix epoch
   * @param sentAt monotonic ms before the question
   * @param receivedAt monotonic ms after the answer; the reading counts for the middle of both
   */
  adjust(reference: number, sentAt: number, receivedAt: number): void {
    const monotonic = performance.now();
    const origin = reference - (sentAt + receivedAt) / 2;
    const ahead = this.last - (origin + monotonic);
    this.origin = origin;
    this.ahead = { ms: ahead > 0 && ahead <= MOST_SLEWED_MS ? ahead : 0, since: monotonic };
  }
}
