/** The one way of saying "not now". */
import { CarillonError } from "./errors";

const LEAST_MS = 1_000;

export interface BusyReason {
  /** For people; default: the table's text. */
  message?: string | undefined;
  /** For the log. */
  cause?: unknown;
  /** The time itself, ms, where the refusing part has chosen one for this request; default: drawn as said below. */
  retryAfterMs?: number;
}

/**
 * An answer that asks the client to repeat its request later. Requests that are refused together must not come back together: each
 * gets a time of its own, from one to two seconds.
 */
export function busy({ message, cause, retryAfterMs = drawnMs() }: BusyReason = {}): CarillonError {
  return new CarillonError("BUSY", message, { retryAfterMs, cause });
}

const drawnMs = () => Math.ceil(LEAST_MS * (1 + Math.random()));

/** A store that is away is no fault of the asker. @throws CarillonError BUSY when the work fails, for whatever reason */
export function orBusy<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw busy({ cause });
  });
}
