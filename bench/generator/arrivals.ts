/** Checks that the messages of one sender arrive at one receiver: each once, all of them, in the order in which they were sent. */
export class Arrivals {
  /** The number that comes next. */
  private next = 0;
  /** Numbers that came before their turn. */
  private readonly early = new Set<number>();

  /**
   * @param mayOvertake the server has asked for a repetition, so later messages may come before the repeated one
   * @returns the fault, or undefined
   */
  take(number: number, mayOvertake: boolean): string | undefined {
    if (number < this.next || this.early.has(number)) return `message ${number} came twice`;
    if (number > this.next) {
      this.early.add(number);
      return mayOvertake ? undefined : `message ${number} came before ${this.next}`;
    }
    this.next++;
    while (this.early.delete(this.next)) this.next++;
    return undefined;
  }

  /** Returns how many of the first `sent` numbers have not come. */
  missing(sent: number): number {
    return sent - this.next - this.early.size;
  }
}
