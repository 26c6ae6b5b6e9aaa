/**
 * Decides whether receipts may go to the other user of a private conversation: none while one of the two blocks the other. A
 * known relation is used for 30 s, and longer while MySQL does not answer; a changed relation is forgotten by order.
 */

import { TIMINGS } from "@carillon/bus";
import { LRUCache } from "lru-cache";

const MOST_KNOWN = 100_000;

/** Two users, one of whom is told something of the other. */
export type Pair = readonly [a: string, b: string];

export interface BlocksOptions {
  /** How users see each other. Key: `${owner} ${peer}`; a pair without a row is missing. */
  relations(pairs: [owner: string, peer: string][]): Promise<ReadonlyMap<string, string>>;
  /** ms on the monotonic clock. */
  monotonic(): number;
}

export class Blocks {
  private readonly known = new LRUCache<string, { blocked: boolean; loadedAt: number }>({ max: MOST_KNOWN });
  /** Raised by each order to forget: what was asked for before it may be older than the change. */
  private forgotten = 0;

  constructor(private readonly options: BlocksOptions) {}

  /**
   * Whether one of each two blocks the other, in the order of the pairs.
   * @throws what MySQL says, when it does not answer about a pair of which nothing is known
   */
  async between(pairs: readonly Pair[]): Promise<boolean[]> {
    const staleBefore = this.options.monotonic() - TIMINGS.factsFreshMs;
    const keys = pairs.map(keyOf);
    const wanted = new Set(keys.filter((key) => (this.known.get(key)?.loadedAt ?? -Infinity) < staleBefore));
    if (wanted.size > 0) {
      await this.load([...wanted]).catch((error: unknown) => {
        if ([...wanted].some((key) => !this.known.has(key))) throw error;
      });
    }
    return keys.map((key) => this.known.get(key)?.blocked === true);
  }

  /** The relations of these pairs have changed. */
  forget(pairs: readonly Pair[]): void {
    this.forgotten++;
    for (const pair of pairs) this.known.delete(keyOf(pair));
  }

  /** Orders to forget may have been lost. */
  forgetAll(): void {
    this.forgotten++;
    this.known.clear();
  }

  private async load(keys: string[]): Promise<void> {
    const begun = this.forgotten;
    const pairs = keys.map((key) => key.split(" ") as [string, string]);
    const found = await this.options.relations(
      pairs.flatMap(([a, b]): [string, string][] => [
        [a, b],
        [b, a],
      ]),
    );
    // A change that was told meanwhile may have come after this answer was made.
    if (begun !== this.forgotten) return this.load(keys);
    const loadedAt = this.options.monotonic();
    for (const [a, b] of pairs) {
      const blocked = found.get(`${a} ${b}`) === "blocked" || found.get(`${b} ${a}`) === "blocked";
      this.known.set(keyOf([a, b]), { blocked, loadedAt });
    }
  }
}

const keyOf = ([a, b]: Pair): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
