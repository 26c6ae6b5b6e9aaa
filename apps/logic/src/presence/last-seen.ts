/** When users were seen last, on its way to MySQL: gathered, since a crowd may come or go at once. */
import { guarded } from "@carillon/base";

const GATHER_MS = 5_000;
const ROWS_AT_ONCE = 1_000;

export class LastSeen {
  private waiting = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  /** @param write moves the times forward in MySQL */
  constructor(
    private readonly write: (seen: [userId: string, at: number][]) => Promise<void>,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** @param at ms */
  saw(userId: string, at: number): void {
    this.waiting.set(userId, Math.max(at, this.waiting.get(userId) ?? 0));
    this.timer ??= setTimeout(
      guarded("timer", () => this.flush()),
      GATHER_MS,
    );
  }

  /** Writes what waits. What MySQL does not take is dropped: it is no more than a courtesy. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    // In the order of keys, so that two writers do not lock rows crosswise.
    const seen = [...this.waiting].sort(([a], [b]) => (a < b ? -1 : 1));
    this.waiting = new Map();
    try {
      for (let at = 0; at < seen.length; at += ROWS_AT_ONCE) await this.write(seen.slice(at, at + ROWS_AT_ONCE));
    } catch (error) {
      this.onFailure(error as Error);
    }
  }
}
