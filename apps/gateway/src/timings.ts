/** Times of the gateway that depend on each other, ms; those on which other roles rely are in libs/bus. */
import { assertTimings } from "@carillon/base";

/** A user whose last device has gone is told to be there for so long: a device that flaps makes no noise. */
export const LINGER_MS = 5_000;
/** A worker has so long to take a closed session out of the registry. */
export const CLOSED_ANSWER_MS = 3_000;
/** A gateway asks again for what may be lost (recovery/causes.ts) at most once in this time. */
export const REPAIR_EVERY_MS = 2_000;
/** PULL and SYNC, from the frame to the answer; a device waits for `CLIENT_WAITS_MS`. */
export const QUESTION = { deadlineMs: 9_000, ownTurnMs: 4_000, roomTurnMs: 6_000, apiMs: 5_000 };
const CLIENT_WAITS_MS = 10_000;

assertTimings([
  ["the registry knows that a user has gone before others are told", CLOSED_ANSWER_MS, LINGER_MS],
  ["a device hears BUSY before it gives a question up", QUESTION.deadlineMs, CLIENT_WAITS_MS],
  ["a question that had to wait for its turn can still be asked", QUESTION.roomTurnMs, QUESTION.deadlineMs],
  ["a question waits among its user's before it waits among all", QUESTION.ownTurnMs, QUESTION.deadlineMs],
]);
