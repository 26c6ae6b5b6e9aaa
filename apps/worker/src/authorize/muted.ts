/** What somebody is told who may not write for a time: until when. */
import { CarillonError, limits } from "@carillon/protocol";

/** @param until ms since 1970, ahead of `now`; undefined: nobody knows when it ends */
export function mutedError(name: "USER_MUTED" | "GROUP_MUTED", until: number | undefined, now: number): CarillonError {
  if (until === undefined) return new CarillonError(name);
  // A time that was stored before times were bounded may be beyond any date.
  const end = Math.min(until, limits.maxTimeMs);
  return new CarillonError(name, `muted until ${new Date(end).toISOString()}`, { retryAfterMs: end - now });
}
