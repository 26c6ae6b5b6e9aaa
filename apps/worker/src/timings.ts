/** Times of the worker that depend on each other, ms; those on which other roles rely are in libs/bus. */
import { assertTimings } from "@carillon/base";
import { TIMINGS } from "@carillon/bus";
import { DEFAULT_TIMINGS } from "@carillon/coordination";

/** The idempotency cache reaches at least this far back. */
export const ACCEPTED_IDS_MS = 60_000;
/** Numbers are remembered that the archive has: as long as the log is kept for it (the replay window). */
export const NUMBERS_MS = 600_000;
/** Facts that were loaded longer ago are loaded again: the log may have forgotten events since that they do not contain. */
export const MOST_FACT_AGE_MS = 20_000;
/** A round waits so long for what is not known before it goes on without it: most answers of MySQL come within this time. */
export const HEAD_MS = 20;
/** A round that may not put anything aside waits so long. */
export const INLINE_MS = 1_500;
/** A request that was put aside waits so long: drawn anew for each, so that refused ones do not come back together. */
export const PARKED_MS = { from: 1_000, to: 2_000 };
/** An owner whose last record is younger is at work. */
export const AT_WORK_MS = 1_000;
/** A worker that stops waits so long: for its successors, take-overs under way, parked requests, and its fan-out. */
export const STOPPING = { handOverMs: 2_000, takeOverMs: 3_000, parkedMs: 500, fanOutMs: 1_000 };
/** After this a worker that stops is ended. */
export const STOP_MS = 9_000;

assertTimings([
  ["facts that are used are younger than what the log has forgotten", MOST_FACT_AGE_MS, ACCEPTED_IDS_MS],
  ["numbers outlive the ids that they were given to", ACCEPTED_IDS_MS, NUMBERS_MS],
  ["a round that waits longer is the exception", HEAD_MS, INLINE_MS],
  ["a sender whose request is parked hears before they repeat it", PARKED_MS.to, TIMINGS.senderWaitsMs],
  ["nobody waits for records of an owner that is suspected", AT_WORK_MS, DEFAULT_TIMINGS.suspectMs],
  ["a stop ends by itself", Object.values(STOPPING).reduce((sum, ms) => sum + ms, 0), STOP_MS],
]);
