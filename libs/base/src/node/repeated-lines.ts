/**
 * Limits repeated log lines. A fault makes a process write the same line hundreds of times a minute. The first lines tell
 * everything; of the others the reader needs only the number.
 */
import { guarded } from "../boundary";

/** Number of lines with the same text and level that are written in one window; further lines are counted. */
const WRITTEN = 5;
const WINDOW_MS = 10_000;
/** Number of addresses whose lines are counted separately; lines of further addresses are counted together. */
const MOST_ADDRESSES = 500;

export class RepeatedLines {
  private readonly windows = new Map<string, { lines: number }>();

  /**
   * @param address the client that caused the line: many lines of one address do not hide those of another
   * @param tell writes the number of lines that were left out
   * @returns whether to write the line; otherwise the line is counted
   */
  admits(level: number, text: string, address: string | undefined, tell: (leftOut: number) => void): boolean {
    const ofAddress = address === undefined || this.windows.size >= MOST_ADDRESSES ? "" : ` ${address}`;
    const key = `${level} ${text}${ofAddress}`;
    const open = this.windows.get(key);
    if (open !== undefined) return ++open.lines <= WRITTEN;
    const window = { lines: 1 };
    this.windows.set(key, window);
    const end = guarded("timer", () => {
      this.windows.delete(key);
      if (window.lines > WRITTEN) tell(window.lines - WRITTEN);
    });
    setTimeout(end, WINDOW_MS).unref();
    return true;
  }
}
