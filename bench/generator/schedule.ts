/**
 * The instants at which an open loop sends.
 *
 * A message is due at its instant, whether the servers keep up or not, and it is timed from that instant: a server that
 * stalls makes the waiting messages late, too. The instants lie on a grid of one millisecond, with several messages on each
 * where the rate asks for it, since no timer of this process is finer.
 */
const GRID_MS = 1;

export class Schedule {
  private sent = 0;

  /**
   * @param perSecond messages
   * @param startedAt the instant of the first message, ms
   */
  constructor(
    private readonly perSecond: number,
    private readonly startedAt: number,
  ) {}

  /** Returns the instant of message `index`, ms: never before the even spacing of the rate has reached it. */
  dueAt(index: number): number {
    const even = (index * 1_000) / this.perSecond;
    return this.startedAt + Math.ceil(even / GRID_MS - 1e-9) * GRID_MS;
  }

  /** Calls `send` for each message that is due by `now` and was not sent yet, with the instant at which it was due. */
  run(now: number, send: (index: number, dueAt: number) => void): void {
    for (let due = this.dueAt(this.sent); due <= now; due = this.dueAt(this.sent)) send(this.sent++, due);
  }
}
