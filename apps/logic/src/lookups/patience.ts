/**
 * Waiting for MySQL, but not for long: 100 ms a question. After three questions without an answer in 5 s none is
 * asked for 1 s. Then all may ask again at once; a breaker of the usual kind would let a single one through to try,
 * and a round, which asks several questions together, would stay without its facts for as many seconds.
 */
import { withDeadline } from "@carillon/base";

const ANSWER_MS = 100;
const FAILURES = 3;
const FAILURES_MS = 5_000;
const PAUSE_MS = 1_000;

export class OutOfPatience extends Error {
  constructor() {
    super("MySQL did not answer lately and is left alone for a moment");
    this.name = "OutOfPatience";
  }
}

export class Patience {
  private failures: number[] = [];
  private pausedUntil = 0;

  /**
   * @param monotonic ms
   * @param onPause called when a pause begins
   */
  constructor(
    private readonly monotonic: () => number,
    private readonly onPause: () => void,
  ) {}

  /** @throws what the question throws, DeadlineExceeded, or OutOfPatience at once during a pause */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.monotonic() < this.pausedUntil) throw new OutOfPatience();
    try {
      return await withDeadline(question(), ANSWER_MS, "MySQL");
    } catch (error) {
      this.countFailure();
      throw error;
    }
  }

  private countFailure(): void {
    const now = this.monotonic();
    this.failures = [...this.failures.filter((time) => now - time < FAILURES_MS), now];
    if (this.failures.length < FAILURES || now < this.pausedUntil) return;
    this.failures = [];
    this.pausedUntil = now + PAUSE_MS;
    this.onPause();
  }
}
