/**
 * The deadline of the question that is being answered. It follows the work through all its calls, down to the pool of
 * connections, which begins no statement for an asker that has gone. Without a deadline the work has no limit.
 *
 * From the first use on, Node tracks promises for this, which makes each promise more expensive. So the processes that carry
 * messages pass deadlines in calls instead, and never use `withinDeadline`.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const deadlines = new AsyncLocalStorage<number>();

/** @param deadline monotonic ms after which nobody waits for the result of `work` */
export function withinDeadline<T>(deadline: number, work: () => T): T {
  return deadlines.run(deadline, work);
}

/** Does work for several questions together: the deadline of one of them does not end it. */
export function withoutDeadline<T>(work: () => T): T {
  return deadlines.exit(work);
}

/** The present deadline, monotonic ms; undefined: the asker waits for ever. */
export function currentDeadline(): number | undefined {
  return deadlines.getStore();
}
