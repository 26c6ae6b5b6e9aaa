/**
 * The boundary around the callbacks of sockets, timers, subscriptions and flushes.
 *
 * An error that leaves such a callback ends the whole process, and with it all connections. An error that leaves a NATS
 * callback silently ends the reading of that connection. So `guarded` wraps each of these callbacks: it counts the error by
 * place, reports it once, and ends only the thing that the callback belongs to.
 *
 * `onCaught` decides once per process where caught errors are reported; until then they go to the console.
 */
export interface CaughtError {
  /** The kind of callback (there are few): a label of the metric. */
  place: string;
  error: unknown;
  /** Address of the other side, where there is one. */
  remote?: string | undefined;
}

/** The thing that a callback belongs to. */
export interface Belonging {
  /** Address of the other side, for the log. */
  remote?: string;
  /** Ends the thing after an error: closes the socket. */
  end?(): void;
}

const counts = new Map<string, number>();
let tell: (caught: CaughtError) => void = ({ place, error }) => console.error(`an error was caught (${place})`, error);

/** Sends caught errors to `tell`. @returns a function that sends them to the console again */
export function onCaught(listener: (caught: CaughtError) => void): () => void {
  const before = tell;
  tell = listener;
  return () => {
    tell = before;
  };
}

/** Number of errors caught since the start, by place. */
export function caughtErrors(): ReadonlyMap<string, number> {
  return counts;
}

/** Counts and reports an error. Never throws. */
export function reportCaught(place: string, error: unknown, remote?: string): void {
  counts.set(place, (counts.get(place) ?? 0) + 1);
  try {
    tell({ place, error, remote });
  } catch {
    // A failing report must not throw as well.
  }
}

/**
 * Wraps a callback, so that its errors, and those of the promise that it returns, go no further.
 * @param place name of the kind of callback
 */
export function guarded<A extends unknown[]>(
  place: string,
  callback: (...args: A) => unknown,
  belonging: Belonging = {},
): (...args: A) => void {
  return (...args) => {
    try {
      const result = callback(...args);
      if (isThenable(result)) result.then(undefined, (error) => fail(place, error, belonging));
    } catch (error) {
      fail(place, error, belonging);
    }
  };
}

/** Reports an error and ends the thing that it belongs to. A function of its own: a gateway holds `guarded` callbacks by the 100,000. */
function fail(place: string, error: unknown, belonging: Belonging): void {
  reportCaught(place, error, belonging.remote);
  try {
    belonging.end?.();
  } catch (failure) {
    reportCaught(place, failure, belonging.remote);
  }
}

/** Lets work run by itself, so that its errors go no further. @param place as for `guarded` */
export function detached(place: string, work: Promise<unknown>, belonging?: Belonging): void {
  guarded(place, () => work, belonging)();
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
