import { CarillonError } from "@carillon/protocol";

const RETRY_AFTER_MS = 1_000;

/** What cannot be decided now: the sender should come back. @param cause for the log */
export function busy(cause?: unknown): CarillonError {
  return new CarillonError("BUSY", undefined, { retryAfterMs: RETRY_AFTER_MS, cause });
}

/** A store that is away is no fault of the asker. @throws CarillonError BUSY when it does not answer */
export function orBusy<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((cause: unknown) => {
    throw busy(cause);
  });
}
