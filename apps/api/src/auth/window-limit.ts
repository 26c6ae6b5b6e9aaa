/** At most so many events of a key in a sliding time window; counted in the memory of this process. */
import { CarillonError } from "@carillon/protocol";
import { LRUCache } from "lru-cache";

const MOST_KEYS = 50_000;

export class WindowLimit {
  /** Times of the newest events, ms, oldest first; never more than `most` of a key. */
  private readonly times = new LRUCache<string, number[]>({ max: MOST_KEYS });

  constructor(
    private readonly most: number,
    private readonly windowMs: number,
    private readonly monotonic: () => number,
  ) {}

  count(key: string): void {
    const times = this.recent(key);
    if (times.length === this.most) times.shift();
    times.push(this.monotonic());
    this.times.set(key, times);
  }

  /** @throws CarillonError RATE_LIMITED, with the time until the oldest event leaves the window */
  check(key: string): void {
    const times = this.recent(key);
    if (times.length < this.most) return;
    const retryAfterMs = Math.max(1, Math.ceil(times[0]! + this.windowMs - this.monotonic()));
    throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
  }

  private recent(key: string): number[] {
    const since = this.monotonic() - this.windowMs;
    return (this.times.get(key) ?? []).filter((time) => time > since);
  }
}
