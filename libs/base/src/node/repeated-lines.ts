/**
 * A fault makes a process say the same thing hundreds of times a minute. The first lines tell everything; of the rest the
 * reader wants to know how many there were.
 */
import { guarded } from "../boundary";

/** Lines with the same text and level that are written in one window; then they are counted. */
const WRITTEN = 5;
const WINDOW_MS = 10_000;

export class RepeatedLines {
  private readonly windows = new Map<string, { lines: number }>();

  /**
   * @param tell writes that so many lines like this one were left out
   * @returns whether a line is to be written; otherwise it is counted
   */
  admits(level: number, text: string, tell: (leftOut: number) => void): boolean {
    const key = `${level} ${text}`;
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
