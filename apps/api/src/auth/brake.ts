/**
 * A budget that is not locked when it is spent, but slowed: behind the budget come turns, one after the other, with a
 * growing time between them. What came in time is given back, and then all is as in the beginning. Counted in the
 * memory of this process.
 */
import { TokenBucket } from "@carillon/base";
import { LRUCache } from "lru-cache";

const MOST_KEYS = 50_000;

export interface BrakeOptions {
  /** Attempts at once; as many come back in `windowMs`. */
  most: number;
  windowMs: number;
  /** Time from the spent budget to the first turn, and the most time between two turns, ms; it doubles in between. */
  firstTurnMs: number;
  mostTurnMs: number;
  monotonic(): number;
}

interface State {
  budget: TokenBucket;
  /** Time to the next turn but one, ms; 0: the budget was not spent lately. */
  stepMs: number;
  /** Monotonic ms of the next turn. */
  turnAt: number;
}

/** What was taken: it may be given back. */
export type Taken = { kind: "budget" | "turn" } | { kind: "wait"; ms: number };

export class Brake {
  private readonly states = new LRUCache<string, State>({ max: MOST_KEYS });

  constructor(private readonly options: BrakeOptions) {}

  /** Takes an attempt from the budget, or a turn; or says how long it is until the next turn. */
  take(key: string): Taken {
    const { most, windowMs, firstTurnMs, mostTurnMs, monotonic } = this.options;
    const now = monotonic();
    let state = this.states.get(key);
    if (state === undefined) {
      state = { budget: new TokenBucket((most * 1_000) / windowMs, most, now), stepMs: 0, turnAt: 0 };
      this.states.set(key, state);
    }
    if (state.budget.take(now) === 0) return { kind: "budget" };
    if (state.stepMs === 0) {
      state.stepMs = firstTurnMs;
      state.turnAt = now + firstTurnMs;
    }
    if (now < state.turnAt) return { kind: "wait", ms: Math.ceil(state.turnAt - now) };
    state.stepMs = Math.min(state.stepMs * 2, mostTurnMs);
    state.turnAt = now + state.stepMs;
    return { kind: "turn" };
  }

  /** The attempt was none: it could not be judged. */
  giveBack(key: string, taken: Taken): void {
    const state = this.states.get(key);
    if (taken.kind === "budget") state?.budget.giveBack();
    if (taken.kind === "turn" && state !== undefined) state.turnAt = this.options.monotonic();
  }

  /** The key has its whole budget again. */
  release(key: string): void {
    this.states.delete(key);
  }

  /** As `release` for all keys that begin so. */
  releaseAll(beginning: string): void {
    for (const key of [...this.states.keys()]) if (key.startsWith(beginning)) this.states.delete(key);
  }
}
