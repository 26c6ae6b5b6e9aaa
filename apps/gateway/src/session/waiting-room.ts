/**
 * A crowd that comes together, because a gateway or a network was away, waits at its gateway: the gateway has the
 * connections anyway, and nobody else is asked before a turn has come. Asking for all of them at once would only move
 * the queue to where thousands of refusals cost as much as the work.
 */
import { Admission } from "@carillon/base";

/** As many as a gateway may have connections. */
const MOST_WAITING = 20_000;
/** Places that are there however slow the work is. */
const WAITING = 64;

/**
 * @param atOnce questions that the gateway asks at once
 * @param patienceMs the longest wait for a turn; behind it the question itself needs time
 * @param monotonic ms on the monotonic clock
 */
export function newWaitingRoom(atOnce: number, patienceMs: number, monotonic: () => number): Admission {
  return new Admission({ atOnce, waiting: WAITING, mostWaiting: MOST_WAITING, patienceMs, monotonic });
}
