/** One token bucket for each key (a user, an address, a pair of both), in the memory of this process. */
import { TokenBucket } from "./token-bucket";

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
