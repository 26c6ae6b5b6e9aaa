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

export class ClusterClock implements Clock {
  private origin = Date.now() - performance.now();
  private last = 0;

  now(): number {
    // Never goes back, also when the offset is corrected: serverTime and message times stay in order.
    const now = Math.floor(this.origin + performance.now());
    if (now > this.last) this.last = now;
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
    this.origin = reference - (sentAt + receivedAt) / 2;
  }
}
