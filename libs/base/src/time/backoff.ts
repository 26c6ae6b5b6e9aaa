/** Delays after failed tries: exponential with a ceiling. */
export interface BackoffOptions {
  /** First delay, ms. */
  first: number;
  /** Ceiling, ms. */
  most: number;
  factor?: number;
  /** `full`: between 0 and the delay (Brooker, AWS 2015), for crowds; `none`: the delay itself. */
  jitter?: "full" | "none";
}

export class Backoff {
  private tries = 0;

  constructor(
    private readonly options: BackoffOptions,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next delay in ms. */
  next(): number {
    const { first, most, factor = 2, jitter = "none" } = this.options;
    const delay = Math.min(most, first * factor ** this.tries++);
    return jitter === "full" ? Math.max(first / 2, this.random() * delay) : delay;
  }

  /**
   * Returns the delay before a refused request is repeated: the time that the server named plus a growing one, so that a crowd
   * that was refused together does not come back together.
   * @param retryAfterMs 0 when the server named none
   */
  nextAfter(retryAfterMs: number): number {
    return retryAfterMs + this.next();
  }

  reset(): void {
    this.tries = 0;
  }
}

/** Resolves after `ms`, or as soon as the signal is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

/** Settles like `promise`, or rejects with `DeadlineExceeded` after `ms`; the work itself continues. */
export function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DeadlineExceeded(what, ms)), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** Whether `promise` settles within `ms`; the work may continue. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const patience = new AbortController();
  const settled = promise.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([settled, sleep(ms, patience.signal).then(() => false)]);
  patience.abort();
  return result;
}

/**
 * Repeats the work until it succeeds, for `ms` at most.
 * @throws the last error of the work; at once when that error is final
 */
export async function retryFor<T>(
  ms: number,
  work: () => Promise<T>,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  const backoff = new Backoff({ first: 50, most: 1_000 });
  const deadline = performance.now() + ms;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isFinal(error) || performance.now() > deadline) throw error;
    }
    await sleep(backoff.next());
  }
}

export class DeadlineExceeded extends Error {
  constructor(what: string, ms: number) {
    super(`${what}: no answer in ${ms} ms`);
    this.name = "DeadlineExceeded";
  }
}
