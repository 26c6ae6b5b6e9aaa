/**
 * A crowd that comes together, because a gateway or a network was away, waits at its gateway: the gateway has the
 * connections anyway, and nobody else is asked before a turn has come. Asking for all of them at once would only move
 * the queue to where thousands of refusals cost as much as the work.
 */
import { Admission, type Asker, type Clock, Overloaded } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";

/** As many as a gateway may have connections. */
const MOST_WAITING = 20_000;
/** Places that are there however slow the work is. */
const WAITING = 64;

export class WaitingRoom {
  private readonly admission: Admission;

  /**
   * @param atOnce questions that the gateway asks at once
   * @param patienceMs the longest wait for a turn; behind it the question itself needs time
   */
  constructor(atOnce: number, patienceMs: number, clock: Pick<Clock, "monotonic">) {
    const monotonic = () => clock.monotonic();
    this.admission = new Admission({ atOnce, waiting: WAITING, mostWaiting: MOST_WAITING, patienceMs, monotonic });
  }

  /**
   * Asks, now or when the turn has come.
   * @throws CarillonError BUSY (too many others wait), Abandoned, or what `ask` throws
   */
  async run<T>(ask: () => Promise<T>, asker?: Asker): Promise<T> {
    try {
      return await this.admission.run(ask, asker);
    } catch (error) {
      if (!(error instanceof Overloaded)) throw error;
      throw new CarillonError("BUSY", undefined, { retryAfterMs: error.retryAfterMs });
    }
  }
}
