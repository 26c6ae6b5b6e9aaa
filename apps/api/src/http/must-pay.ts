import { CarillonError } from "@carillon/protocol";

/** @param retryAfterMs what `Budgets.take` returned: 0 when the caller could pay @throws CarillonError RATE_LIMITED */
export function mustPay(retryAfterMs: number): void {
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
}
