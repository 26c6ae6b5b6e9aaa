/**
 * The boundary around what sockets, timers, subscriptions and flushes call.
 *
 * An error that leaves such a callback ends the whole process, and with it the connections of everybody; one that leaves
 * a NATS callback silently ends the reading of that connection. So each of them is made by `guarded`: the error is counted
 * by place, told once, and ends only what the callback belonged to.
 *
 * What becomes of an error that was caught is decided once per process, by `onCaught`; the console has it until then.
 */
export interface CaughtError {
  /** The kind of callback, one of a few: a label of the metric. */
  place: string;
  error: unknown;
  /** Address of the other side, where there is one. */
  remote?: string | undefined;
}

/** What a callback belongs to. */
export interface Belonging {
  /** Address of the other side, for the log. */
  remote?: string;
  /** Ends it after an error: closes the socket. */
  end?(): void;
}

const counts = new Map<string, number>();
let tell: (caught: CaughtError) => void = ({ place, error }) => console.error(`an error was caught (${place})`, error);

/** Decides what becomes of errors that are caught. @returns ends it: the console has them again */
export function onCaught(listener: (caught: CaughtError) => void): () => void {
  const before = tell;
  tell = listener;
  return () => {
    tell = before;
  };
}

/** How many errors were caught since the start, by place. */
export function caughtErrors(): ReadonlyMap<string, number> {
  return counts;
}

/** Counts an error and tells it. Never throws. */
export function reportCaught(place: string, error: unknown, remote?: string): void {
  counts.set(place, (counts.get(place) ?? 0) + 1);
  try {
    tell({ place, error, remote });
  } catch {
    // Who cannot even tell must not fall over it.
  }
}

/**
 * A callback whose errors go no further, also those of the promise that it returns.
 * @param place names the kind of callback
 */
export function guarded<A extends unknown[]>(
  place: string,
  callback: (...args: A) => unknown,
  { remote, end }: Belonging = {},
): (...args: A) => void {
  const fail = (error: unknown) => {
    reportCaught(place, error, remote);
    try {
      end?.();
    } catch (failure) {
      reportCaught(place, failure, remote);
    }
  };
  return (...args) => {
    try {
      const result = callback(...args);
      if (isThenable(result)) result.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  };
}

/** Lets work go on by itself, whose errors go no further. @param place as for `guarded` */
export function detached(place: string, work: Promise<unknown>, belonging?: Belonging): void {
  guarded(place, () => work, belonging)();
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
