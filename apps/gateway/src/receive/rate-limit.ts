/** Counts faults in a sliding window of time, roughly: two halves are enough. */
export class FaultCounter {
  private windowStart: number;
  private current = 0;
  private previous = 0;

  constructor(
    private readonly most: number,
    private readonly windowMs: number,
    now: number,
  ) {
    this.windowStart = now;
  }

  /** @returns whether there were more than allowed, this one included */
  add(now: number): boolean {
    const half = this.windowMs / 2;
    if (now - this.windowStart >= half) {
      this.previous = now - this.windowStart >= this.windowMs ? 0 : this.current;
      this.current = 0;
      this.windowStart = now;
    }
    return ++this.current + this.previous >= this.most;
  }
}
