/** One token bucket for each key: a user, an address, a pair of both. Counted in the memory of this process. */
import { TokenBucket } from "./token-bucket";

/** Keys that are remembered; a stranger may make up as many as they like. */
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
  /** The key that was used last comes last. */
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly options: BudgetOptions,
    private readonly mostKeys = MOST_KEYS,
  ) {}

  /** @returns 0 when the key could pay, else ms until it can; nothing is taken then */
  take(key: string, cost = 1): number {
    const now = this.options.monotonic();
    const bucket = this.buckets.get(key) ?? new TokenBucket(this.options.perSecond, this.options.burst, now);
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    // The bucket that nobody used for longest is the fullest one: forgetting it gives away least.
    if (this.buckets.size > this.mostKeys) this.buckets.delete(this.buckets.keys().next().value as string);
    return bucket.take(now, cost);
  }

  /** Puts back what was taken for work that turned out to be free. */
  giveBack(key: string, cost = 1): void {
    this.buckets.get(key)?.giveBack(cost);
  }

  /** The key has its whole budget again. */
  forget(key: string): void {
    this.buckets.delete(key);
  }
}
