/** A token bucket: `perSecond` on average, `burst` at once. */
export class TokenBucket {
  private tokens: number;
  private filledAt: number;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    now: number,
  ) {
    this.tokens = burst;
    this.filledAt = now;
  }

  /**
   * Takes one token.
   * @param now monotonic ms
   * @returns 0 when there was one, else ms until there is
   */
  take(now: number): number {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
    this.filledAt = now;
    if (this.tokens >= 1) {
      this.tokens--;
      return 0;
    }
    return Math.ceil(((1 - this.tokens) * 1_000) / this.perSecond);
  }
}

/** Counts faults in a sliding window of time, roughly: two halves are enough. */
export class FaultCounter {
  private windowStart: number;
  private current = 0;
  private previous = 0;

  constructor(
    private readonly most: number,
    private readonly windowMs: number,
    now: number,
  ) {
    this.windowStart = now;
  }

  /** @returns whether there were more than allowed, this one included */
  add(now: number): boolean {
    const half = this.windowMs / 2;
    if (now - this.windowStart >= half) {
      this.previous = now - this.windowStart >= this.windowMs ? 0 : this.current;
      this.current = 0;
      this.windowStart = now;
    }
    return ++this.current + this.previous >= this.most;
  }
}
