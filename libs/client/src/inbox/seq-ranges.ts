/** Which numbers of a conversation were shown, as ranges: what comes in order is one range, however long. */
export class SeqRanges {
  /** Ascending, not touching each other; both ends inclusive. */
  private readonly ranges: [from: number, to: number][] = [];

  /** @returns false when the number is there already */
  add(seq: number): boolean {
    const { ranges } = this;
    // Numbers come nearly always at the end.
    let at = ranges.length;
    while (at > 0 && (ranges[at - 1] as [number, number])[0] > seq) at--;
    const before = ranges[at - 1];
    const after = ranges[at];
    if (before !== undefined && seq <= before[1]) return false;
    const joinsBefore = before !== undefined && before[1] === seq - 1;
    const joinsAfter = after !== undefined && after[0] === seq + 1;
    if (joinsBefore && joinsAfter) {
      before[1] = after[1];
      ranges.splice(at, 1);
    } else if (joinsBefore) before[1] = seq;
    else if (joinsAfter) after[0] = seq;
    else ranges.splice(at, 0, [seq, seq]);
    return true;
  }

  /** Number of ranges: 1 when there is no hole. */
  get size(): number {
    return this.ranges.length;
  }
}
