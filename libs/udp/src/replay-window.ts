import { udp } from "./sizes";

const BITS = 32;
const WORDS = udp.replayNumbers / BITS;

/** The packet numbers that have come: a number that was seen, or is too old to know, does not count again. */
export class ReplayWindow {
  private highestNumber = -1;
  /**
   * One bit for each of the last numbers; number n has bit n modulo the size. Undefined while every number has come in its turn,
   * which is so for most sessions: there are ten thousands of them.
   */
  private seen: Uint32Array | undefined;

  /** The highest number that has come; -1: none. */
  get highest(): number {
    return this.highestNumber;
  }

  isNew(number: number): boolean {
    if (number > this.highestNumber) return true;
    if (this.seen === undefined || number <= this.highestNumber - udp.replayNumbers) return false;
    return ((this.seen[wordOf(number)]! >>> bitOf(number)) & 1) === 0;
  }

  /** Remembers a number. The caller has checked that it is new and that its datagram is genuine. */
  add(number: number): void {
    const next = this.highestNumber + 1;
    if (this.seen === undefined && number !== next) this.seen = new Uint32Array(WORDS).fill(0xffff_ffff);
    if (this.seen !== undefined) {
      const first = Math.max(next, number - udp.replayNumbers + 1);
      for (let skipped = first; skipped < number; skipped++) this.seen[wordOf(skipped)]! &= ~(1 << bitOf(skipped));
      this.seen[wordOf(number)]! |= 1 << bitOf(number);
    }
    this.highestNumber = Math.max(this.highestNumber, number);
  }
}

const wordOf = (number: number) => Math.floor((number % udp.replayNumbers) / BITS);
const bitOf = (number: number) => number % BITS;
