/**
 * One conversation as this device has shown it: which number comes next, what is missing, what came too early.
 * Pure: events go in, those whose turn it is come out.
 *
 * `upTo` is the highest number shown, `known` the highest that is known to exist; what lies between is missing. When
 * a missing part cannot be had it becomes a hole: `upTo` goes past it and the part is remembered.
 *
 * Edge cases:
 * - Nobody has decided yet where the conversation begins on this device (`upTo` is undefined): everything is early.
 * - `isFloating`: the beginning was read from a list, and events at or below it may still be on their way. The first
 *   one that comes moves the beginning down to itself; after that the beginning is fixed.
 * - A user who leaves a group and comes back never gets the numbers between: they are passed over. What the device misses
 *   of the former stay is still fetched.
 * - What cannot be read on this device is passed over in the same way.
 * - No room for an early event: it is let go of. `known` remembers it, so it is missing later and is pulled.
 */
import type { Event } from "@carillon/protocol";

/** What is stored of a timeline. */
export interface StoredTimeline {
  upTo: number;
  known: number;
  holes?: SeqRange[];
  isFloating?: boolean;
  /** Numbers by which the user left the group. */
  left?: number[];
  /** Parts that the user may not read, ahead. */
  away?: SeqRange[];
}

/** Room for early events, shared by all conversations. */
export interface EarlyRoom {
  left: number;
}

export class Timeline {
  /** Holes are looked for once after each reconnect, and then left alone for a while. */
  retriesHoles = false;
  #known = 0;
  readonly #early = new Map<number, Event>();
  readonly #holes: Holes;
  /** Numbers by which the user left the group, and by which they came to it. */
  readonly #left = new Set<number>();
  readonly #came = new Set<number>();
  /** Parts that the user may not read, ahead; ascending. */
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

  /** The highest number that is known; 0: none. */
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

  /** Decides where the conversation begins here: behind `upTo`. @returns the events whose turn it is now */
  begin(upTo: number, isFloating = false): Event[] {
    if (this.upTo !== undefined) return [];
    const earliest = Math.min(...this.#early.keys());
    this.isFloating = isFloating && earliest > upTo;
    this.upTo = isFloating ? Math.min(upTo, earliest - 1) : upTo;
    this.expect(upTo);
    return this.#release();
  }

  /** Numbers up to this one exist. */
  expect(lastSeq: number): void {
    this.#known = Math.max(this.#known, lastSeq);
  }

  /** An event has come, by whatever way. @returns the events whose turn it is now, ascending */
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

  /** The user left the group with the event of this number, which is the last of this stay. */
  leave(seq: number): void {
    this.#left.add(seq);
    this.#findAway();
  }

  /**
   * The user came to the group with the event of this number: what was said since they left is not for them.
   * @returns the events whose turn it is now
   */
  comeBack(seq: number): Event[] {
    this.#came.add(seq);
    this.#findAway();
    return this.#release();
  }

  /**
   * The event of this number is there, but cannot be read on this device.
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

  /** What has to be asked for next; undefined when there is nothing to ask for. */
  get missing(): SeqRange | undefined {
    if (this.upTo !== undefined && this.#known > this.upTo) {
      const ends = [...this.#early.keys(), ...this.#away.map(([from]) => from)].map((seq) => seq - 1);
      const to = Math.min(this.#known, ...ends);
      return [this.upTo + 1, to];
    }
    return this.retriesHoles ? this.#holes.first : undefined;
  }

  /**
   * What is missing first cannot be had now.
   * @returns the range when it was not known as a hole before, and the events behind it whose turn it is
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

  /** Between a departure and the next return nothing is the user's. */
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

  /** Goes past what is not the user's. */
  #passAway(): void {
    while (this.upTo !== undefined && this.#away[0] !== undefined && this.#away[0][0] <= this.upTo + 1) {
      this.upTo = Math.max(this.upTo, (this.#away.shift() as SeqRange)[1]);
      this.isFloating = false;
      const newest = Math.max(...this.#left);
      for (const seq of this.#left) if (seq < newest && seq <= this.upTo) this.#left.delete(seq);
      for (const seq of this.#came) if (seq <= this.upTo) this.#came.delete(seq);
    }
  }

  /** Takes the early events out that join what was shown. Those below it are in nobody's way any more. */
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
