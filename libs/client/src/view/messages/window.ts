/**
 * The messages of one conversation that this device has at hand. The class is pure.
 *
 * The idea: the window has ranges of covered numbers, and the events in them. A covered number without an event is not for the
 * user (the group used it between two stays of the user). The app sees one range, and so no hole: the newest range, or the one
 * that covers a number around which the app looks. Ranges that lie apart meet as soon as the hole between them is filled.
 *
 * Edge cases:
 * - Events come late, twice, by a page and by delivery: the window keeps each number once, and joins ranges that touch.
 * - A message was recalled while a page with it was under way: the window has seen the recall, and does not take the content.
 */
import type { Event } from "@carillon/protocol";
import type { SeqRange } from "../../order/timeline";

export class MessageWindow {
  /** Ascending, not touching each other. */
  #ranges: SeqRange[] = [];
  readonly #events = new Map<number, Event>();
  /** The numbers of the events, ascending. */
  #seqs: number[] = [];
  readonly #recalled = new Set<number>();

  /** The newest range; undefined if there are no messages at hand. */
  get newest(): SeqRange | undefined {
    return this.#ranges.at(-1);
  }

  /** Returns the range that covers a number, or the newest range if `seq` is undefined; undefined if there is none. */
  rangeOf(seq: number | undefined): SeqRange | undefined {
    return seq === undefined ? this.newest : this.#ranges.find(([first, last]) => first <= seq && seq <= last);
  }

  /** Returns the highest number at hand below a range; 0 if there is none. */
  below(first: number): number {
    return this.#ranges.filter(([, last]) => last < first).at(-1)?.[1] ?? 0;
  }

  /** Returns the lowest number at hand above a range; Infinity if there is none. */
  above(last: number): number {
    return this.#ranges.find(([first]) => first > last)?.[0] ?? Infinity;
  }

  /** The events of the newest range, ascending. */
  get shown(): Event[] {
    return this.eventsIn(this.newest);
  }

  /** Returns the events of a range, ascending; an empty list without a range. */
  eventsIn(range: SeqRange | undefined): Event[] {
    return range === undefined ? [] : this.#seqsIn(range).map((seq) => this.#events.get(seq)!);
  }

  /** Returns the number of events from one number to another, both inclusive. */
  count([from, to]: SeqRange): number {
    return this.#placeOf(to + 1) - this.#placeOf(from);
  }

  get(seq: number): Event | undefined {
    return this.#events.get(seq);
  }

  /** Adds an event that has come. */
  add(event: Event): void {
    this.#cover(event.seq, event.seq);
    this.#keep(event);
  }

  /** Adds a page: all events of the user from one number to another, both inclusive. */
  addPage(from: number, to: number, events: readonly Event[]): void {
    if (from > to) return;
    this.#cover(from, to);
    for (const event of events) if (event.seq >= from && event.seq <= to) this.#keep(event);
  }

  /** @returns whether the window covers every number of the range */
  covers(from: number, to: number): boolean {
    return from > to || this.#ranges.some((range) => range[0] <= from && to <= range[1]);
  }

  /** Returns the number of other users' messages in a covered range, without recalled ones. */
  countOthers(from: number, to: number, userId: string | undefined): number {
    return this.eventsIn([from, to]).filter((event) => isCounted(event, userId)).length;
  }

  /**
   * Drops all but the newest events of the newest range.
   * @param around ranges that cover these numbers stay as they are
   * @returns whether it dropped any
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

  /** Drops all numbers below this one. */
  dropBelow(from: number): void {
    this.#retain(
      this.#ranges.flatMap(([first, last]): SeqRange[] => (last < from ? [] : [[Math.max(first, from), last]])),
    );
    for (const seq of this.#recalled) if (seq < from) this.#recalled.delete(seq);
  }

  #keep(event: Event): void {
    const { seq, kind, targetSeq } = event;
    if (kind === "recall" && targetSeq !== undefined) this.#recall(targetSeq);
    // A recalled event has no content any more: it is newer than the kept one.
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

  /** Drops all events outside these ranges. */
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

  /** Returns the index of the first number that is not below this one. */
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

/** Returns whether an event counts as unread until the user reads it: a message of another user that was not recalled. */
export function isCounted({ kind, senderId, content }: Event, userId: string | undefined): boolean {
  return kind === "message" && senderId !== userId && content !== undefined;
}

/**
 * The blocks in which the storage keeps the messages of a conversation. A block holds a range of numbers, so a new message costs
 * the writing of some other messages, not of all, and the view deletes old blocks as a whole.
 */

const BLOCK = 32;

/** The part of a window that the storage keeps: its newest events, and the numbers that they cover. */
export interface KeptMessages {
  range: SeqRange | undefined;
  /** The blocks by number; undefined: delete the block. */
  blocks: Map<number, Event[] | undefined>;
}

export class MessageBlocks {
  readonly #changed = new Set<number>();

  /** @param stored the numbers of the stored blocks */
  constructor(private stored = new Set<number>()) {}

  /** Marks the blocks of these numbers as changed. */
  touch(...seqs: number[]): void {
    for (const seq of seqs) this.#changed.add(Math.floor(seq / BLOCK));
  }

  /** Marks all stored blocks as unknown, so that the next `take` writes all of them. */
  touchAll(): void {
    this.stored.clear();
  }

  /**
   * Returns the blocks to write now, and counts them as written.
   * @param most the number of events to keep
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
