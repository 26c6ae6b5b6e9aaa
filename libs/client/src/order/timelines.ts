/**
 * All conversations of this device: shows their events in order, each once, and has what is missing fetched.
 *
 * Where a conversation begins on this device:
 * - At the first event that comes; what is older is history, which the app reads when it wants.
 * - Once this device has seen the list of all conversations (`isComplete`), a conversation that a resync finds and
 *   that is not known here began while the device was away: all of it was missed, from what the user has cleared on.
 *   So while such a resync is under way, events of unknown conversations wait for the list.
 * - A first list makes known what was there before; it is history up to the list's last number.
 */
import {
  type ConversationRow,
  type Event,
  type Lenient,
  membershipOf,
  type PulledPayload,
  type PullPayload,
  parseSystemContent,
  type Unreadable,
} from "@carillon/protocol";
import type { Core, Tell } from "../core";
import { type ClientStorage, readAllJson, readJson } from "../storage/storage";
import { GapFiller } from "./gap-filler";
import type { SeqRange } from "./timeline";
import { type EarlyRoom, type StoredTimeline, Timeline } from "./timeline";

export interface TimelinesOptions {
  storage: ClientStorage;
  /** Hands an event to the app. */
  show(event: Event): void;
  /** Tells "gap" when a part cannot be had now, before the events behind it are shown. */
  events: Pick<Tell, "emit">;
  /** The device's user; undefined before the first session. */
  self: Pick<Core, "userId">;
  /** Something is to be stored, and no DELIVER has brought it. */
  onChange(): void;
  /** A page of a conversation over the connection in use. */
  pull(range: PullPayload): Promise<PulledPayload>;
  random?: () => number;
}

const PREFIX = "conversation/";
const COMPLETE = "conversations";
/** Events that may wait for earlier ones, over all conversations. */
const MOST_EARLY = 1_000;

export class Timelines {
  readonly #timelines = new Map<string, Timeline>();
  readonly #room: EarlyRoom = { left: MOST_EARLY };
  readonly #changed = new Set<string>();
  readonly #filler: GapFiller;
  #isComplete = false;
  #isResyncing = false;

  constructor(private readonly options: TimelinesOptions) {
    const { pull, random } = options;
    this.#filler = new GapFiller({
      pull,
      missing: (conversationId) => this.#timelines.get(conversationId)?.missing,
      fill: (conversationId, range, page) => this.#fill(conversationId, range, page),
      giveUp: (conversationId) => this.#giveUp(conversationId),
      reopen: () => this.#reopen(),
      ...(random === undefined ? {} : { random }),
    });
  }

  /** The highest number that is known of a conversation; 0: none. */
  lastSeq(conversationId: string): number {
    return this.#timelines.get(conversationId)?.lastSeq ?? 0;
  }

  /** Whether the list of all conversations was seen here: what is not known is new. */
  get knowsAll(): boolean {
    return this.#isComplete;
  }

  async restore(): Promise<void> {
    const { storage } = this.options;
    const found = await readAllJson<StoredTimeline>(storage, PREFIX);
    for (const [key, stored] of found) {
      if (stored !== undefined) this.#timelines.set(key.slice(PREFIX.length), Timeline.restore(this.#room, stored));
    }
    this.#isComplete = (await readJson<boolean>(storage, COMPLETE)) === true;
  }

  /** A connection is open. @param isResyncing the list of conversations will be asked for before anything is decided */
  online(isResyncing: boolean): void {
    if (isResyncing) this.startResync();
    else this.#decideAll();
    this.#filler.online();
  }

  startResync(): void {
    this.#isResyncing = true;
  }

  stop(): void {
    this.#filler.stop();
  }

  /** An event was delivered. */
  offer(event: Event): void {
    const { conversationId, seq } = event;
    const timeline = this.#timelineOf(conversationId);
    const shown = this.#put(timeline, event);
    if (!timeline.isDecided && !(this.#isResyncing && this.#isComplete)) shown.push(...timeline.begin(seq - 1));
    this.#showAll(conversationId, shown);
    if (timeline.missing !== undefined) this.#filler.want(conversationId);
  }

  /**
   * The conversation has events up to this number, which the inbox does not bring: what is missing is fetched. It never
   * begins by this: the event by which it begins for the user is in their inbox.
   */
  expect(conversationId: string, lastSeq: number): void {
    const timeline = this.#timelineOf(conversationId);
    timeline.expect(lastSeq);
    if (timeline.missing === undefined) return;
    this.#changed.add(PREFIX + conversationId);
    this.options.onChange();
    this.#filler.want(conversationId);
  }

  /** Events that cannot be read on this device: nothing waits for them. */
  pass(unreadable: readonly Unreadable[]): void {
    for (const { id, seq } of unreadable) {
      if (id === undefined || seq === undefined) continue;
      this.#showAll(id, this.#timelineOf(id).pass(seq));
      this.options.onChange();
    }
  }

  /** Events that came although nobody asked for them, and are not in the inbox. */
  take({ conversationId, events, lastSeq, unreadable = [] }: Lenient<PulledPayload>): void {
    const timeline = this.#timelineOf(conversationId);
    this.pass(unreadable);
    if (timeline.isDecided) {
      this.#showAll(
        conversationId,
        events.flatMap((event) => this.#put(timeline, event)),
      );
      this.options.onChange();
    }
    this.expect(conversationId, lastSeq);
  }

  /** The list of all conversations, the newest first: what is missing is fetched in this order. */
  compare(rows: readonly ConversationRow[]): void {
    for (const { conversationId, lastSeq, clearedSeq } of rows) {
      const timeline = this.#timelineOf(conversationId);
      const shown = this.#isComplete ? timeline.begin(clearedSeq) : timeline.begin(lastSeq, true);
      timeline.expect(lastSeq);
      this.#showAll(conversationId, shown);
    }
    this.#decideAll();
    this.noteComplete();
    for (const { conversationId } of rows) {
      if (this.#timelines.get(conversationId)?.missing !== undefined) this.#filler.want(conversationId);
    }
  }

  /** There is no conversation that is not known here. */
  noteComplete(): void {
    this.#isComplete = true;
    this.#changed.add(COMPLETE);
  }

  /** The app looks at this conversation: what it misses is fetched before all else. */
  first(conversationId: string): void {
    this.#filler.urgent(conversationId);
  }

  /** What has changed since the last call, as it is to be stored: keys and values. */
  takeChanges(): Map<string, string> {
    const changes = new Map<string, string>();
    for (const key of this.#changed) {
      const value = key === COMPLETE ? this.#isComplete : this.#timelines.get(key.slice(PREFIX.length))?.stored;
      if (value !== undefined) changes.set(key, JSON.stringify(value));
    }
    this.#changed.clear();
    return changes;
  }

  /** These could not be stored: they are among the next changes again. */
  putBack(keys: Iterable<string>): void {
    for (const key of keys) this.#changed.add(key);
  }

  /** No list will come that says where conversations begin. */
  #decideAll(): void {
    this.#isResyncing = false;
    for (const [conversationId, timeline] of this.#timelines) {
      if (timeline.isDecided) continue;
      this.#showAll(conversationId, timeline.begin(0));
      if (timeline.missing !== undefined) this.#filler.want(conversationId);
    }
  }

  #fill(conversationId: string, [from, to]: SeqRange, page: Lenient<PulledPayload>): boolean {
    const { events, unreadable = [] } = page;
    const timeline = this.#timelineOf(conversationId);
    const before = timeline.missing;
    this.pass(unreadable.filter(({ id }) => id === conversationId));
    let isFilled = timeline.missing?.join() !== before?.join();
    for (const event of events) {
      if (event.conversationId !== conversationId || event.seq < from || event.seq > to) continue;
      const shown = this.#put(timeline, event);
      isFilled ||= shown.length > 0;
      this.#showAll(conversationId, shown);
    }
    if (isFilled) this.options.onChange();
    return isFilled;
  }

  #giveUp(conversationId: string): void {
    const { hole, events } = this.#timelineOf(conversationId).giveUp();
    if (hole === undefined) return;
    this.options.events.emit("gap", { conversationId, fromSeq: hole[0], toSeq: hole[1] });
    this.#showAll(conversationId, events);
    this.options.onChange();
  }

  #reopen(): string[] {
    const found: string[] = [];
    for (const [conversationId, timeline] of this.#timelines) {
      timeline.retriesHoles = timeline.hasHoles;
      if (timeline.missing !== undefined) found.push(conversationId);
    }
    return found;
  }

  /** @returns the events whose turn it is now */
  #put(timeline: Timeline, event: Event): Event[] {
    const change = this.#changeOf(event);
    if (change === "left") timeline.leave(event.seq);
    const shown = change === "came" ? timeline.comeBack(event.seq) : [];
    return [...shown, ...timeline.offer(event)];
  }

  /** Whether this user belongs to the group from this event on, or up to it. */
  #changeOf({ kind, senderId, content }: Event): "came" | "left" | undefined {
    const { userId } = this.options.self;
    if (kind !== "system" || userId === undefined) return undefined;
    const { joined, left } = membershipOf(senderId, parseSystemContent(content));
    if (joined.includes(userId)) return "came";
    return left.includes(userId) ? "left" : undefined;
  }

  #showAll(conversationId: string, events: readonly Event[]): void {
    this.#changed.add(PREFIX + conversationId);
    for (const event of events) this.options.show(event);
  }

  #timelineOf(conversationId: string): Timeline {
    const known = this.#timelines.get(conversationId);
    if (known !== undefined) return known;
    const timeline = Timeline.undecided(this.#room);
    this.#timelines.set(conversationId, timeline);
    return timeline;
  }
}
