/** Times of the gateway that depend on each other, ms; times on which other roles rely are in libs/bus. */
import { assertTimings } from "@carillon/base";
import { sessionClose } from "@carillon/bus";

/** A platform stays published for so long after its last device disconnected: a device that flaps causes no traffic. */
export const LINGER_MS = 5_000;
/** A gateway runs each repair (recovery/causes.ts) at most once in this time. */
export const REPAIR_EVERY_MS = 2_000;
/** Bounds of PULL and SYNC, from the frame to the answer; a device waits for `CLIENT_WAITS_MS`. */
export const QUESTION = { deadlineMs: 9_000, ownTurnMs: 4_000, roomTurnMs: 6_000 };
const CLIENT_WAITS_MS = 10_000;

assertTimings([
  [
    "the session registry has removed a closed session before other gateways are told",
    sessionClose.deadlineMs,
    LINGER_MS,
  ],
  ["a device gets BUSY before it stops waiting for an answer", QUESTION.deadlineMs, CLIENT_WAITS_MS],
  ["a question that waited for its turn can still be asked", QUESTION.roomTurnMs, QUESTION.deadlineMs],
  [
    "a question waits among its user's questions before it waits among those of all users",
    QUESTION.ownTurnMs,
    QUESTION.deadlineMs,
  ],
]);
