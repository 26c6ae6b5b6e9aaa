/** What somebody is told who may not write for a time: until when. */
import { CarillonError } from "@carillon/protocol";

/** @param until ms since 1970, ahead of `now`; undefined: nobody knows when it ends */
export function mutedError(name: "USER_MUTED" | "GROUP_MUTED", until: number | undefined, now: number): CarillonError {
  if (until === undefined) return new CarillonError(name);
  return new CarillonError(name, `muted until ${new Date(until).toISOString()}`, { retryAfterMs: until - now });
}
