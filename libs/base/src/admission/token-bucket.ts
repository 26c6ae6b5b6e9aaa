/** A token bucket: `perSecond` on average, `burst` at once. Expensive work takes several tokens. */
export class TokenBucket {
  private tokens: number;
  private filledAt: number;

  /** @param now monotonic ms */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    now: number,
  ) {
    this.tokens = burst;
    this.filledAt = now;
  }

  /**
   * Takes `cost` tokens. A full bucket also pays a cost above `burst` and then owes the rest, because otherwise nobody could
   * ever pay such a cost.
   * @param now monotonic ms
   * @returns 0 when there were enough tokens, else the time in ms until there are; then nothing is taken
   */
  take(now: number, cost = 1): number {
    this.fill(now);
    const needed = Math.min(cost, this.burst);
    if (this.tokens >= needed) {
      this.tokens -= cost;
      return 0;
    }
    return Math.ceil(((needed - this.tokens) * 1_000) / this.perSecond);
  }

  /** Puts tokens back that were taken for work that turned out to be free. */
  giveBack(cost = 1): void {
    this.tokens = Math.min(this.burst, this.tokens + cost);
  }

  private fill(now: number): void {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
    this.filledAt = now;
  }
}
