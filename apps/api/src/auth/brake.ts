/**
 * A budget that slows its key instead of locking it: when the budget is spent, attempts take turns, with a growing time between
 * the turns. An attempt that was right is given back, and the key has its whole budget again. The budgets are in the memory of
 * this process.
 */
import { Admission, addressKey, Budgets, Overloaded, TokenBucket } from "@carillon/base";
import type { Settings } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import { LRUCache } from "lru-cache";
import { mustPay } from "../http/must-pay";

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

/** An attempt that was taken from the budget or as a turn, and may be given back; or the time to wait. */
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

  /** Gives an attempt back that could not be judged. */
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

/**
 * Limits guesses at passwords without giving a stranger a way to keep a user out.
 *
 * The idea: an attempt is counted before its password is looked at, and given back when the password is right. So of any number
 * of simultaneous guesses no more are judged than the budget allows; attempts at one user from one address are judged two at a
 * time, so that many right passwords do not count as guesses. There is a budget for each pair of user and address, and one for
 * each address: a stranger elsewhere spends nothing of the user's own budget. When a budget is spent, no user is locked out:
 * attempts are slowed, by turns that are seconds apart. The right password gets in by such a turn as well, and then the budget is
 * whole again.
 *
 * A caller with a token of a device is counted by that device, so that guesses of strangers do not keep a user from changing the
 * password. An operator can reset the counts of a user.
 */

const MINUTE_MS = 60_000;
const WINDOW_MS = 15 * MINUTE_MS;

/** Turns at one user from one address, when that budget is spent. */
const USER_TURNS = { firstTurnMs: 5_000, mostTurnMs: 60_000 };
/** Turns of one address, which may be that of many people. */
const ADDRESS_TURNS = { firstTurnMs: 500, mostTurnMs: 2_000 };

/** Attempts at once, and of one user from one address. */
const ATTEMPTS = { atOnce: 64, waiting: 96, perKey: { atOnce: 2, waiting: 16 }, patienceMs: 15_000 };

export interface LoginLimitsOptions {
  limits: Pick<
    Settings["limits"],
    "failedLoginsPerUser" | "failedLoginsPerAddress" | "loginsPerMinute" | "refreshesPerMinute"
  >;
  monotonic(): number;
}

export class LoginLimits {
  private readonly ofUser: Brake;
  private readonly ofAddress: Brake;
  private readonly ofLookUps: Brake;
  private readonly attempts: Admission;
  private readonly logins: Budgets;
  private readonly refreshes: Budgets;

  constructor({ limits, monotonic }: LoginLimitsOptions) {
    const perMinute = (most: number) => new Budgets({ perSecond: (most * 1_000) / MINUTE_MS, burst: most, monotonic });
    const ofAddress = { most: limits.failedLoginsPerAddress, windowMs: WINDOW_MS, ...ADDRESS_TURNS, monotonic };
    this.ofUser = new Brake({ most: limits.failedLoginsPerUser, windowMs: WINDOW_MS, ...USER_TURNS, monotonic });
    this.ofAddress = new Brake(ofAddress);
    this.ofLookUps = new Brake(ofAddress);
    this.attempts = new Admission({ ...ATTEMPTS, monotonic });
    this.logins = perMinute(limits.loginsPerMinute);
    this.refreshes = perMinute(limits.refreshesPerMinute);
  }

  /**
   * Judges the password that a stranger shows.
   * @param isRight compares it
   * @throws CarillonError RATE_LIMITED until the next turn; errors of `isRight`, after which the attempt does not count
   */
  judge(userId: string, address: string, isRight: () => Promise<boolean>): Promise<boolean> {
    const place = addressKey(address);
    const key = `${userId} ${place}`;
    // The address first: a stranger who invents users must not fill the memory and so push out the counts of others.
    const judge = () => attempt([this.ofAddress, place], () => attempt([this.ofUser, key, "release"], isRight));
    return this.inTurn(key, judge);
  }

  /** Judges the password of a caller who has shown a token of a device of the user. */
  judgeOnDevice(userId: string, deviceId: string, isRight: () => Promise<boolean>): Promise<boolean> {
    const key = `${userId} on ${deviceId}`;
    return this.inTurn(key, () => attempt([this.ofUser, key, "release"], isRight));
  }

  /**
   * Looks up a refresh token or an API key that a stranger shows instead of a password.
   * @param isGood whether the result shows that it was no guess
   * @throws CarillonError RATE_LIMITED; errors of `find`, after which the attempt does not count
   */
  async lookUp<T>(address: string, find: () => Promise<T>, isGood: (found: T) => boolean): Promise<T> {
    let found: { value: T } | undefined;
    await attempt([this.ofLookUps, addressKey(address)], async () => {
      found = { value: await find() };
      return isGood(found.value);
    });
    return found!.value;
  }

  private async inTurn(key: string, judge: () => Promise<boolean>): Promise<boolean> {
    return this.attempts.run(judge, { key }).catch((error: unknown) => {
      if (!(error instanceof Overloaded)) throw error;
      const { isOfKey, retryAfterMs } = error;
      throw new CarillonError(isOfKey ? "RATE_LIMITED" : "BUSY", undefined, { retryAfterMs });
    });
  }

  /** Counts a log-in that succeeded: a user may log in only so often. @throws CarillonError RATE_LIMITED */
  countLogin(userId: string): void {
    mustPay(this.logins.take(userId));
  }

  /** @param family of refresh tokens, known to its device only @throws CarillonError RATE_LIMITED */
  countRefresh(family: string): void {
    mustPay(this.refreshes.take(family));
  }

  /** Resets the counts of a user; operators order it. */
  unlock(userId: string): void {
    this.ofUser.releaseAll(`${userId} `);
    this.logins.forget(userId);
  }
}

/** @param release a right attempt also clears the earlier counts of the key */
async function attempt(
  [brake, key, release]: [brake: Brake, key: string, release?: "release"],
  isRight: () => Promise<boolean>,
): Promise<boolean> {
  const taken: Taken = brake.take(key);
  if (taken.kind === "wait") throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs: taken.ms });
  let isWrong = false;
  try {
    const right = await isRight();
    isWrong = !right;
    if (right && release !== undefined) brake.release(key);
    return right;
  } finally {
    // An attempt that could not be judged, because MySQL was away or too many waited, was no guess.
    if (!isWrong) brake.giveBack(key, taken);
  }
}
