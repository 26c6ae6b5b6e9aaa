/**
 * The deadline of the question that is being answered. It goes with the work through all its calls, down to the pool of
 * connections, which begins nothing for an asker who has gone. Where no deadline was set, there is none.
 *
 * Node follows promises for this from the first use on, which costs something with each of them: the processes that
 * carry messages name deadlines in calls instead, and never use `withinDeadline`.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const deadlines = new AsyncLocalStorage<number>();

/** @param deadline ms on the monotonic clock after which nobody waits for what `work` does */
export function withinDeadline<T>(deadline: number, work: () => T): T {
  return deadlines.run(deadline, work);
}

/** Does work that belongs to several questions: no deadline of one of them ends it. */
export function withoutDeadline<T>(work: () => T): T {
  return deadlines.exit(work);
}

/** Monotonic ms; undefined: whoever asked waits, however long it takes. */
export function currentDeadline(): number | undefined {
  return deadlines.getStore();
}
