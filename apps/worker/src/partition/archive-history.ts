/**
 * When each position of the archive was seen first. The owner forgets an event only when the archive has had it for a while:
 * a MySQL server that fails over to an asynchronous replica loses its last commits, however old the messages in them are.
 */
interface Seen {
  position: number;
  /** Monotonic ms. */
  at: number;
}

export class ArchiveHistory {
  private readonly seen: Seen[] = [];

  /** @param longestMs how far back `at` is asked */
  constructor(private readonly longestMs: number) {}

  /** The archive is at a position. A position that is lower than before voids what was seen above it. */
  add(position: number, at: number): void {
    while (this.seen.length > 0 && this.seen.at(-1)!.position >= position) {
      if (this.seen.at(-1)!.position === position) return;
      this.seen.pop();
    }
    this.seen.push({ position, at });
    while (this.seen.length > 1 && this.seen[1]!.at <= at - this.longestMs) this.seen.shift();
  }

  /** The highest position that was seen at that time or before; -1: none. @param time monotonic ms */
  at(time: number): number {
    return this.seen.findLast(({ at }) => at <= time)?.position ?? -1;
  }
}
