/** Texts that many refer to, kept once and named by a small number for as long as somebody refers to them. */
export class CountedNames {
  private readonly numbers = new Map<string, number>();
  private readonly texts: (string | undefined)[] = [];
  private readonly counts: number[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.numbers.size;
  }

  /** One more refers to this text. @returns its number */
  take(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) {
      this.counts[known]!++;
      return known;
    }
    const number = this.free.pop() ?? this.texts.length;
    this.numbers.set(text, number);
    this.texts[number] = text;
    this.counts[number] = 1;
    return number;
  }

  /** The text of a number that `take` gave and that is still referred to. */
  text(number: number): string | undefined {
    return this.texts[number];
  }

  /** One fewer refers to it. */
  release(number: number): void {
    if (--this.counts[number]! > 0) return;
    this.numbers.delete(this.texts[number]!);
    this.texts[number] = undefined;
    this.free.push(number);
  }
}
