/** The one way of saying "not now". */
import { CarillonError } from "./errors";

const LEAST_MS = 1_000;

export interface BusyReason {
  /** For people; default: the table's text. */
  message?: string | undefined;
  /** For the log. */
  cause?: unknown;
  /** Least time after which the request may be repeated, ms; default: 1,000. */
  leastMs?: number;
}

/**
 * An answer that asks the client to repeat its request later. Requests that are refused together must not come back together: each
 * gets a time of its own, from `leastMs` up to twice that.
 */
export function busy({ message, cause, leastMs = LEAST_MS }: BusyReason = {}): CarillonError {
  return new CarillonError("BUSY", message, { retryAfterMs: Math.ceil(leastMs * (1 + Math.random())), cause });
}

/** A store that is away is no fault of the asker. @throws CarillonError BUSY when the work fails, for whatever reason */
export function orBusy<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw busy({ cause });
  });
}
