/**
 * The messages of one conversation that this device has at hand. Pure.
 *
 * The idea: ranges of numbers that are covered, and the events in them. A covered number without an event is none of the
 * user's (what was said between two stays in a group). The app is shown one range, so it sees no hole: the newest one, or
 * the one that covers a number around which it looks. Ranges that lie apart meet as soon as the hole between them is
 * filled.
 *
 * Edge cases:
 * - Events come late, twice, by a page and by delivery: each number is kept once, and ranges that touch become one.
 * - A page that was on its way while its message was taken back: the recall was seen, so the content is not taken.
 */
import type { Event } from "@carillon/protocol";
import type { SeqRange } from "../../order/timeline";

export class MessageWindow {
  /** Ascending, not touching each other. */
  #ranges: SeqRange[] = [];
  readonly #events = new Map<number, Event>();
  /** Their numbers, ascending. */
  #seqs: number[] = [];
  readonly #recalled = new Set<number>();

  /** The newest range; undefined when there is nothing at hand. */
  get newest(): SeqRange | undefined {
    return this.#ranges.at(-1);
  }

  /** The range that covers a number, or for no number the newest one; undefined when that is not at hand. */
  rangeOf(seq: number | undefined): SeqRange | undefined {
    return seq === undefined ? this.newest : this.#ranges.find(([first, last]) => first <= seq && seq <= last);
  }

  /** The highest number at hand below a range; 0 when there is none. */
  below(first: number): number {
    return this.#ranges.filter(([, last]) => last < first).at(-1)?.[1] ?? 0;
  }

  /** The lowest number at hand above a range; Infinity when there is none. */
  above(last: number): number {
    return this.#ranges.find(([first]) => first > last)?.[0] ?? Infinity;
  }

  /** Events of the newest range, ascending. */
  get shown(): Event[] {
    return this.eventsIn(this.newest);
  }

  /** Events of a range, ascending; of none: none. */
  eventsIn(range: SeqRange | undefined): Event[] {
    return range === undefined ? [] : this.#seqsIn(range).map((seq) => this.#events.get(seq)!);
  }

  /** How many events there are from one number to another. */
  count([from, to]: SeqRange): number {
    return this.#placeOf(to + 1) - this.#placeOf(from);
  }

  get(seq: number): Event | undefined {
    return this.#events.get(seq);
  }

  /** An event has come. */
  add(event: Event): void {
    this.#cover(event.seq, event.seq);
    this.#keep(event);
  }

  /** A page: all events of the user from one number to another, both inclusive. */
  addPage(from: number, to: number, events: readonly Event[]): void {
    if (from > to) return;
    this.#cover(from, to);
    for (const event of events) if (event.seq >= from && event.seq <= to) this.#keep(event);
  }

  /** @returns whether every number of the range is at hand, or none of the user's */
  covers(from: number, to: number): boolean {
    return from > to || this.#ranges.some((range) => range[0] <= from && to <= range[1]);
  }

  /** Messages of others in a covered range, not recalled. */
  countOthers(from: number, to: number, userId: string | undefined): number {
    return this.eventsIn([from, to]).filter((event) => isCounted(event, userId)).length;
  }

  /**
   * Lets go of all but the newest events of the newest range.
   * @param around ranges that cover these numbers stay as they are
   * @returns whether anything went
   */
  trim(most: number, around: readonly number[] = []): boolean {
    const { newest } = this;
    const kept = new Set(around.map((seq) => this.rangeOf(seq)));
    const ranges = this.#ranges.flatMap((range): SeqRange[] => {
      if (kept.has(range)) return [range];
      if (range !== newest) return [];
      const seqs = this.#seqsIn(range);
      if (seqs.length <= most) return [range];
      return most === 0 ? [] : [[seqs[seqs.length - most]!, range[1]]];
    });
    if (ranges.length === this.#ranges.length && ranges.at(-1)?.[0] === newest?.[0]) return false;
    this.#retain(ranges);
    return true;
  }

  /** Lets go of all numbers below this one. */
  dropBelow(from: number): void {
    this.#retain(
      this.#ranges.flatMap(([first, last]): SeqRange[] => (last < from ? [] : [[Math.max(first, from), last]])),
    );
    for (const seq of this.#recalled) if (seq < from) this.#recalled.delete(seq);
  }

  #keep(event: Event): void {
    const { seq, kind, targetSeq } = event;
    if (kind === "recall" && targetSeq !== undefined) this.#recall(targetSeq);
    // A recalled one has no content any more: it says more than what was kept before.
    if (this.#events.has(seq) && event.content !== undefined) return;
    if (!this.#events.has(seq)) this.#insert(seq);
    const { content, ...rest } = event;
    this.#events.set(seq, content === undefined || this.#recalled.has(seq) ? rest : event);
  }

  #recall(targetSeq: number): void {
    this.#recalled.add(targetSeq);
    const target = this.#events.get(targetSeq);
    if (target === undefined) return;
    const { content: _, ...rest } = target;
    this.#events.set(targetSeq, rest);
  }

  #seqsIn([from, to]: SeqRange): number[] {
    return this.#seqs.slice(this.#placeOf(from), this.#placeOf(to + 1));
  }

  /** Lets go of all events but those of these ranges. */
  #retain(ranges: SeqRange[]): void {
    const seqs = ranges.flatMap((range) => this.#seqsIn(range));
    const kept = new Set(seqs);
    for (const seq of this.#seqs) if (!kept.has(seq)) this.#events.delete(seq);
    this.#seqs = seqs;
    this.#ranges = ranges;
  }

  #insert(seq: number): void {
    if (seq > (this.#seqs.at(-1) ?? 0)) this.#seqs.push(seq);
    else this.#seqs.splice(this.#placeOf(seq), 0, seq);
  }

  /** Where the first number lies that is not below this one. */
  #placeOf(seq: number): number {
    let [low, high] = [0, this.#seqs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#seqs[middle]! < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #cover(from: number, to: number): void {
    const apart = this.#ranges.filter(([first, last]) => last < from - 1 || first > to + 1);
    const touching = this.#ranges.filter((range) => !apart.includes(range));
    const first = Math.min(from, ...touching.map((range) => range[0]));
    const last = Math.max(to, ...touching.map((range) => range[1]));
    this.#ranges = [...apart, [first, last] as SeqRange].sort(([a], [b]) => a - b);
  }
}

/** Whether an event counts as unread until it is read: a message of somebody else that was not taken back. */
export function isCounted({ kind, senderId, content }: Event, userId: string | undefined): boolean {
  return kind === "message" && senderId !== userId && content !== undefined;
}

/**
 * How the messages of a conversation lie in the storage: in blocks of numbers, so that a new message costs the writing
 * of some others, not of all, and old blocks are deleted as a whole.
 */

const BLOCK = 32;

/** What of a window is kept: its newest events, and the numbers that they cover. */
export interface KeptMessages {
  range: SeqRange | undefined;
  /** By number of the block; undefined: there is none any more. */
  blocks: Map<number, Event[] | undefined>;
}

export class MessageBlocks {
  readonly #changed = new Set<number>();

  /** @param stored numbers of the blocks that lie in the storage */
  constructor(private stored = new Set<number>()) {}

  /** Something about these numbers is other than before. */
  touch(...seqs: number[]): void {
    for (const seq of seqs) this.#changed.add(Math.floor(seq / BLOCK));
  }

  /** Nothing of what is stored is known to be right. */
  touchAll(): void {
    this.stored.clear();
  }

  /**
   * What has to be written now; it counts as written then.
   * @param most events that are kept
   */
  take(window: MessageWindow, most: number): KeptMessages {
    const { newest, shown } = window;
    const events = shown.slice(Math.max(0, shown.length - most));
    const isCut = events.length < shown.length;
    const range: SeqRange | undefined = newest && [isCut ? (events[0]?.seq ?? newest[1]) : newest[0], newest[1]];
    const wanted = new Map<number, Event[]>();
    for (const event of events) {
      const block = Math.floor(event.seq / BLOCK);
      wanted.set(block, [...(wanted.get(block) ?? []), event]);
    }
    const blocks = new Map<number, Event[] | undefined>();
    for (const block of this.stored) if (!wanted.has(block)) blocks.set(block, undefined);
    for (const [block, inside] of wanted) {
      if (this.#changed.has(block) || !this.stored.has(block)) blocks.set(block, inside);
    }
    this.stored = new Set(wanted.keys());
    this.#changed.clear();
    return { range, blocks };
  }
}
