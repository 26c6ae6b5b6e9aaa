/** Numbers of a conversation that were given up for the time being, as ranges: ascending, not touching each other. */

/** Both ends inclusive. */
export type SeqRange = [from: number, to: number];

export class Holes {
  readonly #ranges: SeqRange[] = [];

  constructor(ranges: readonly SeqRange[] = []) {
    for (const [from, to] of ranges) this.add(from, to);
  }

  /** @param from above all numbers that are there: holes are made in the order of the conversation */
  add(from: number, to: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last[1] === from - 1) last[1] = to;
    else this.#ranges.push([from, to]);
  }

  /** Takes a number out. @returns false when it was in no hole */
  take(seq: number): boolean {
    const at = this.#ranges.findIndex(([from, to]) => from <= seq && seq <= to);
    if (at === -1) return false;
    const [from, to] = this.#ranges[at] as SeqRange;
    const left: SeqRange[] = seq > from ? [[from, seq - 1]] : [];
    const right: SeqRange[] = seq < to ? [[seq + 1, to]] : [];
    this.#ranges.splice(at, 1, ...left, ...right);
    return true;
  }

  get first(): SeqRange | undefined {
    return this.#ranges[0];
  }

  get list(): SeqRange[] {
    return this.#ranges.map(([from, to]) => [from, to]);
  }
}
