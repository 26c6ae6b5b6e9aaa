/** One token bucket for each key (a user, an address, a pair of both), in the memory of this process. */

/** Maximum number of remembered keys: a stranger may invent any number of them. */
const MOST_KEYS = 50_000;

export interface BudgetOptions {
  /** Tokens that a key gets back in a second. */
  perSecond: number;
  /** Tokens that a key may spend at once. */
  burst: number;
  /** ms on the monotonic clock. */
  monotonic(): number;
}

export class Budgets {
  /** In the order of use: the most recently used key is the last one. */
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly options: BudgetOptions,
    private readonly mostKeys = MOST_KEYS,
  ) {}

  /** @returns 0 when the key could pay, else the time in ms until it can; then nothing is taken */
  take(key: string, cost = 1): number {
    const now = this.options.monotonic();
    const bucket = this.buckets.get(key) ?? new TokenBucket(this.options.perSecond, this.options.burst, now);
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    // The bucket that was unused for longest is the fullest: forgetting it loses least.
    if (this.buckets.size > this.mostKeys) this.buckets.delete(this.buckets.keys().next().value as string);
    return bucket.take(now, cost);
  }

  /** Puts tokens back that were taken for work that turned out to be free. */
  giveBack(key: string, cost = 1): void {
    this.buckets.get(key)?.giveBack(cost);
  }

  /** Gives the key its whole budget again. */
  forget(key: string): void {
    this.buckets.delete(key);
  }
}

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
