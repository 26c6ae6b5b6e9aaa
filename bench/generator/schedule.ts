/**
 * The instants at which an open loop sends, and how late it was.
 *
 * What is due is due, whether the servers keep up or not, and every message is timed from the instant at which it was due: a
 * server that stalls makes those that wait late, too. The instants lie on a grid of one millisecond, several messages on
 * each where the rate asks for it, since no timer of this process is finer.
 */
const GRID_MS = 1;

export class Schedule {
  private sent = 0;

  /**
   * @param perSecond messages
   * @param startedAt ms, the instant of the first one
   */
  constructor(
    private readonly perSecond: number,
    private readonly startedAt: number,
  ) {}

  /** Instant of message `index`, ms: never before the even spacing of the rate has reached it. */
  dueAt(index: number): number {
    const even = (index * 1_000) / this.perSecond;
    return this.startedAt + Math.ceil(even / GRID_MS - 1e-9) * GRID_MS;
  }

  /** Calls `send` for each message that is due by `now` and was not sent yet, with the instant at which it was due. */
  run(now: number, send: (index: number, dueAt: number) => void): void {
    for (let due = this.dueAt(this.sent); due <= now; due = this.dueAt(this.sent)) send(this.sent++, due);
  }
}
