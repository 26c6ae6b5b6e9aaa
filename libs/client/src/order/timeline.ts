/**
 * One conversation as this device has shown it: the next number, the missing numbers, and the early events. The class is pure:
 * events go in, and the events whose turn it is come out.
 *
 * `upTo` is the highest number shown, `known` the highest that is known to exist; the numbers between are missing. If a missing
 * part cannot be fetched, it becomes a hole: `upTo` goes past it, and the timeline remembers the part.
 *
 * Edge cases:
 * - It is not yet decided where the conversation begins on this device (`upTo` is undefined): every event is early.
 * - `isFloating`: the beginning was read from a list, and events at or below it may still be under way. The first such event
 *   moves the beginning down to itself; after that the beginning is fixed.
 * - A user who leaves a group and comes back never gets the numbers between: the timeline skips them. The client still fetches
 *   the missing events of the former stay.
 * - The timeline skips events that this device cannot read in the same way.
 * - There is no room for an early event: the timeline drops it. `known` remembers it, so it is missing later and is fetched.
 */
import type { Event } from "@carillon/protocol";

/** The stored form of a timeline. */
export interface StoredTimeline {
  upTo: number;
  known: number;
  holes?: SeqRange[];
  isFloating?: boolean;
  /** The numbers with which the user left the group. */
  left?: number[];
  /** Parts ahead that the timeline skips, because the user may not read them or the device cannot. */
  away?: SeqRange[];
}

/** The room for early events, which all conversations share. */
export interface EarlyRoom {
  left: number;
}

export class Timeline {
  /** Whether the client fetches holes now: it does so after each reconnect and every minute, until it gives them up. */
  retriesHoles = false;
  #known = 0;
  readonly #early = new Map<number, Event>();
  readonly #holes: Holes;
  /** The numbers with which the user left the group, and with which they joined it. */
  readonly #left = new Set<number>();
  readonly #came = new Set<number>();
  /** Parts ahead that the timeline skips; ascending. */
  #away: SeqRange[] = [];

  private constructor(
    private readonly room: EarlyRoom,
    private upTo: number | undefined,
    private isFloating: boolean,
    holes: SeqRange[] = [],
  ) {
    this.#known = upTo ?? 0;
    this.#holes = new Holes(holes);
  }

  static undecided(room: EarlyRoom): Timeline {
    return new Timeline(room, undefined, false);
  }

  static restore(room: EarlyRoom, stored: StoredTimeline): Timeline {
    const { upTo, known, holes, isFloating = false, left = [], away = [] } = stored;
    const timeline = new Timeline(room, upTo, isFloating, holes);
    for (const seq of left) timeline.#left.add(seq);
    timeline.#away = away.map(([from, to]) => [from, to]);
    timeline.expect(known);
    return timeline;
  }

  get isDecided(): boolean {
    return this.upTo !== undefined;
  }

  /** The highest known number; 0: none. */
  get lastSeq(): number {
    return this.#known;
  }

  get hasHoles(): boolean {
    return this.#holes.first !== undefined;
  }

  get stored(): StoredTimeline | undefined {
    const { upTo, isFloating } = this;
    const known = this.#known;
    const left = this.#left;
    const away = this.#away;
    if (upTo === undefined) return undefined;
    const holes = this.#holes.list;
    return {
      upTo,
      known,
      ...(holes.length > 0 ? { holes } : {}),
      ...(isFloating ? { isFloating } : {}),
      ...(left.size > 0 ? { left: [...left] } : {}),
      ...(away.length > 0 ? { away } : {}),
    };
  }

  /** Decides that the conversation begins here after `upTo`. @returns the events whose turn it is now */
  begin(upTo: number, isFloating = false): Event[] {
    if (this.upTo !== undefined) return [];
    const earliest = Math.min(...this.#early.keys());
    this.isFloating = isFloating && earliest > upTo;
    this.upTo = isFloating ? Math.min(upTo, earliest - 1) : upTo;
    this.expect(upTo);
    return this.#release();
  }

  /** Notes that numbers up to `lastSeq` exist. */
  expect(lastSeq: number): void {
    this.#known = Math.max(this.#known, lastSeq);
  }

  /** Takes an event that has come, by whatever way. @returns the events whose turn it is now, ascending */
  offer(event: Event): Event[] {
    const { seq } = event;
    this.expect(seq);
    if (this.upTo !== undefined && seq <= this.upTo) {
      if (this.#holes.take(seq)) return [event];
      if (!this.isFloating) return [];
      this.upTo = seq - 1;
    }
    if (this.upTo !== undefined && seq === this.upTo + 1) {
      this.upTo = seq;
      this.isFloating = false;
      return [event, ...this.#release()];
    }
    if (this.room.left > 0 && !this.#early.has(seq)) {
      this.#early.set(seq, event);
      this.room.left--;
    }
    return [];
  }

  /** Called when the user left the group with the event of this number, the last one of this stay. */
  leave(seq: number): void {
    this.#left.add(seq);
    this.#findAway();
  }

  /**
   * Called when the user joined the group with the event of this number: they may not read the messages between their departure
   * and this event.
   * @returns the events whose turn it is now
   */
  comeBack(seq: number): Event[] {
    this.#came.add(seq);
    this.#findAway();
    return this.#release();
  }

  /**
   * Skips an event that exists, but that this device cannot read.
   * @returns the events behind it whose turn it is now
   */
  pass(seq: number): Event[] {
    this.expect(seq);
    if (this.upTo !== undefined && seq <= this.upTo) this.#holes.take(seq);
    else if (!this.#away.some(([from, to]) => from <= seq && seq <= to)) {
      this.#away.push([seq, seq]);
      this.#away.sort(([a], [b]) => a - b);
    }
    return this.#release();
  }

  /** The part to fetch next; undefined if there is nothing to fetch. */
  get missing(): SeqRange | undefined {
    if (this.upTo !== undefined && this.#known > this.upTo) {
      const ends = [...this.#early.keys(), ...this.#away.map(([from]) => from)].map((seq) => seq - 1);
      const to = Math.min(this.#known, ...ends);
      return [this.upTo + 1, to];
    }
    return this.retriesHoles ? this.#holes.first : undefined;
  }

  /**
   * Makes the first missing part a hole, because the client cannot fetch it now.
   * @returns the range if it is a new hole, and the events behind it whose turn it is
   */
  giveUp(): { hole: SeqRange | undefined; events: Event[] } {
    const { missing } = this;
    if (missing === undefined || missing[0] <= (this.upTo as number)) {
      this.retriesHoles = false;
      return { hole: undefined, events: [] };
    }
    this.#holes.add(...missing);
    this.upTo = missing[1];
    this.isFloating = false;
    return { hole: missing, events: this.#release() };
  }

  /** Finds the parts between a departure and the next return, which the user may not read. */
  #findAway(): void {
    if (this.upTo === undefined) return;
    for (const back of this.#came) {
      const gone = Math.max(...[...this.#left].filter((seq) => seq < back));
      const isNext = Number.isFinite(gone) && ![...this.#came].some((seq) => gone < seq && seq < back);
      if (!isNext) continue;
      const from = Math.max(gone, this.upTo) + 1;
      const isKnown = this.#away.some(([, to]) => to === back - 1);
      if (from < back && !isKnown) this.#away.push([from, back - 1]);
    }
    this.#away.sort(([a], [b]) => a - b);
  }

  /** Goes past the parts to skip. */
  #passAway(): void {
    while (this.upTo !== undefined && this.#away[0] !== undefined && this.#away[0][0] <= this.upTo + 1) {
      this.upTo = Math.max(this.upTo, (this.#away.shift() as SeqRange)[1]);
      this.isFloating = false;
      const newest = Math.max(...this.#left);
      for (const seq of this.#left) if (seq < newest && seq <= this.upTo) this.#left.delete(seq);
      for (const seq of this.#came) if (seq <= this.upTo) this.#came.delete(seq);
    }
  }

  /** Takes out the early events that continue the shown ones, and drops early events below them. */
  #release(): Event[] {
    const events: Event[] = [];
    this.#passAway();
    if (this.upTo === undefined) return events;
    for (const seq of [...this.#early.keys()].sort((a, b) => a - b)) {
      if (seq > this.upTo + 1) break;
      const event = this.#early.get(seq) as Event;
      this.#early.delete(seq);
      this.room.left++;
      if (seq <= this.upTo) continue;
      this.upTo = seq;
      this.isFloating = false;
      events.push(event);
      this.#passAway();
    }
    return events;
  }
}

/** The numbers of a conversation that the client has given up for now, as ranges: ascending, not touching each other. */

/** Both ends are inclusive. */
export type SeqRange = [from: number, to: number];

export class Holes {
  readonly #ranges: SeqRange[] = [];

  constructor(ranges: readonly SeqRange[] = []) {
    for (const [from, to] of ranges) this.add(from, to);
  }

  /** @param from lies above all present numbers, because holes are made in the order of the conversation */
  add(from: number, to: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last[1] === from - 1) last[1] = to;
    else this.#ranges.push([from, to]);
  }

  /** Takes a number out. @returns false if no hole contains it */
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
