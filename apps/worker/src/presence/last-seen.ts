/** When users and their devices were seen last, on its way to MySQL: gathered, since a crowd may come or go at once. */
import { guarded } from "@carillon/base";

const GATHER_MS = 5_000;
const ROWS_AT_ONCE = 1_000;

/** A device of a user, and when it was seen, ms. */
export type Seen = [userId: string, deviceId: string, at: number];

export class LastSeen {
  private waiting = new Map<string, Seen>();
  private timer: NodeJS.Timeout | undefined;

  /** @param write moves the times forward in MySQL */
  constructor(
    private readonly write: (seen: Seen[]) => Promise<void>,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** @param at ms */
  saw(userId: string, deviceId: string, at: number): void {
    const key = `${userId} ${deviceId}`;
    this.waiting.set(key, [userId, deviceId, Math.max(at, this.waiting.get(key)?.[2] ?? 0)]);
    this.timer ??= setTimeout(
      guarded("timer", () => this.flush()),
      GATHER_MS,
    );
  }

  /** Writes the waiting times. Times that MySQL does not take are dropped: they are a courtesy only. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    // In the order of keys, so that two writers do not lock rows crosswise.
    const seen = [...this.waiting].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
    this.waiting = new Map();
    try {
      for (let at = 0; at < seen.length; at += ROWS_AT_ONCE) await this.write(seen.slice(at, at + ROWS_AT_ONCE));
    } catch (error) {
      this.onFailure(error as Error);
    }
  }
}
