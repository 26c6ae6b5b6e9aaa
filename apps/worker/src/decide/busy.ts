import { CarillonError } from "@carillon/protocol";

/** Senders who were refused together come back spread over this time, ms: together again they would be too many again. */
const RETRY_AFTER_MS = { from: 1_000, to: 2_000 };

/** What cannot be decided now: the sender should come back. @param cause for the log */
export function busy(cause?: unknown): CarillonError {
  const { from, to } = RETRY_AFTER_MS;
  return new CarillonError("BUSY", undefined, { retryAfterMs: Math.round(from + Math.random() * (to - from)), cause });
}

/** A store that is away is no fault of the asker. @throws CarillonError BUSY when it does not answer */
export function orBusy<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((cause: unknown) => {
    throw busy(cause);
  });
}
