/**
 * A fault makes a process say the same thing hundreds of times a minute. The first lines tell everything; of the rest the
 * reader wants to know how many there were.
 */
import { guarded } from "../boundary";

/** Lines with the same text and level that are written in one window; then they are counted. */
const WRITTEN = 5;
const WINDOW_MS = 10_000;
/** Addresses whose lines are counted apart; those of more are counted together. */
const MOST_ADDRESSES = 500;

export class RepeatedLines {
  private readonly windows = new Map<string, { lines: number }>();

  /**
   * @param address whose doing it is: what one address does often does not hide what another does
   * @param tell writes that so many lines like this one were left out
   * @returns whether a line is to be written; otherwise it is counted
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
