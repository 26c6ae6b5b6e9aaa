/** Creates BUSY errors, which ask the client to repeat its request later. */
import { CarillonError } from "./errors";

const LEAST_MS = 1_000;

export interface BusyReason {
  /** The message for people; default: the text of the error table. */
  message?: string | undefined;
  /** The cause, for the log. */
  cause?: unknown;
  /** The delay, ms, if the refusing code has chosen it for this request; default: a random one, see `busy`. */
  retryAfterMs?: number;
}

/**
 * Returns an error that asks the client to repeat its request later. Requests that are refused together must not come back
 * together: each gets a delay of its own, from one to two seconds.
 */
export function busy({ message, cause, retryAfterMs = drawnMs() }: BusyReason = {}): CarillonError {
  return new CarillonError("BUSY", message, { retryAfterMs, cause });
}

const drawnMs = () => Math.ceil(LEAST_MS * (1 + Math.random()));

/** Runs work on a store and answers BUSY if it fails, because that is no fault of the client. @throws CarillonError BUSY */
export function orBusy<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw busy({ cause });
  });
}
