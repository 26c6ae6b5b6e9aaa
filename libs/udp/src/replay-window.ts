import { udp } from "./sizes";

const BITS = 32;

/** The packet numbers that have come: a number that was seen, or is too old to know, does not count again. */
export class ReplayWindow {
  private highestNumber = -1;
  /** One bit for each of the last numbers; number n has bit n modulo the size. */
  private readonly seen = new Uint32Array(udp.replayNumbers / BITS);

  /** The highest number that has come; -1: none. */
  get highest(): number {
    return this.highestNumber;
  }

  isNew(number: number): boolean {
    if (number > this.highestNumber) return true;
    if (number <= this.highestNumber - udp.replayNumbers) return false;
    return ((this.seen[wordOf(number)]! >>> bitOf(number)) & 1) === 0;
  }

  /** Remembers a number. The caller has checked that it is new and that its datagram is genuine. */
  add(number: number): void {
    const first = Math.max(this.highestNumber + 1, number - udp.replayNumbers + 1);
    for (let skipped = first; skipped <= number; skipped++) this.seen[wordOf(skipped)]! &= ~(1 << bitOf(skipped));
    this.highestNumber = Math.max(this.highestNumber, number);
    this.seen[wordOf(number)]! |= 1 << bitOf(number);
  }
}

const wordOf = (number: number) => Math.floor((number % udp.replayNumbers) / BITS);
const bitOf = (number: number) => number % BITS;
