/**
 * All conversations of this device. The class shows their events in order, each once, and fetches missing ones.
 *
 * Rules for the beginning of a conversation on this device:
 * - A conversation begins at the first event that comes; older events are history, which the app reads when it wants.
 * - Once this device has seen the list of all conversations (`isComplete`), a conversation that a resync finds and that is
 *   unknown here began while the device was away. The device has missed all of it, from the user's cleared number on. So during
 *   such a resync, events of unknown conversations wait for the list.
 * - A first list makes the older conversations known; their events are history up to the last number of the list.
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
  /** Passes an event to the app. */
  show(event: Event): void;
  /** Emits "gap" when the client cannot fetch a part now, before it shows the events behind it. */
  events: Pick<Tell, "emit">;
  /** The user of the device; undefined before the first session. */
  self: Pick<Core, "userId">;
  /** Called when a change that no DELIVER has brought has to be stored. */
  onChange(): void;
  /** Fetches a page of a conversation over the connection in use. */
  pull(range: PullPayload): Promise<PulledPayload>;
  random?: () => number;
}

const PREFIX = "conversation/";
const COMPLETE = "conversations";
/** The number of events that may wait for earlier ones, over all conversations. */
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

  /** The highest known number of a conversation; 0: none. */
  lastSeq(conversationId: string): number {
    return this.#timelines.get(conversationId)?.lastSeq ?? 0;
  }

  /** Whether this device has seen the list of all conversations: an unknown conversation is then a new one. */
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

  /**
   * Called when a connection is open. @param isResyncing whether the client will ask for the list of conversations before it
   * decides their beginnings
   */
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

  /** Takes a delivered event. */
  offer(event: Event): void {
    const { conversationId, seq } = event;
    const timeline = this.#timelineOf(conversationId);
    const shown = this.#put(timeline, event);
    if (!timeline.isDecided && !(this.#isResyncing && this.#isComplete)) shown.push(...timeline.begin(seq - 1));
    this.#showAll(conversationId, shown);
    if (timeline.missing !== undefined) this.#filler.want(conversationId);
  }

  /**
   * Notes that the conversation has events up to this number, which the inbox does not bring, and fetches the missing ones. A
   * conversation never begins by this: the event with which it begins for the user is in their inbox.
   */
  expect(conversationId: string, lastSeq: number): void {
    const timeline = this.#timelineOf(conversationId);
    timeline.expect(lastSeq);
    if (timeline.missing === undefined) return;
    this.#changed.add(PREFIX + conversationId);
    this.options.onChange();
    this.#filler.want(conversationId);
  }

  /** Skips events that this device cannot read. */
  pass(unreadable: readonly Unreadable[]): void {
    for (const { id, seq } of unreadable) {
      if (id === undefined || seq === undefined) continue;
      this.#showAll(id, this.#timelineOf(id).pass(seq));
      this.options.onChange();
    }
  }

  /** Takes events that the server sent without a request, and that are not in the inbox. */
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

  /** Takes the list of all conversations, the newest first, and fetches their missing events in this order. */
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

  /** Notes that this device knows all conversations. */
  noteComplete(): void {
    this.#isComplete = true;
    this.#changed.add(COMPLETE);
  }

  /** Called when the app looks at this conversation: the client fetches its missing events first. */
  first(conversationId: string): void {
    this.#filler.urgent(conversationId);
  }

  /** Returns the changes since the last call as keys and values for the storage. */
  takeChanges(): Map<string, string> {
    const changes = new Map<string, string>();
    for (const key of this.#changed) {
      const value = key === COMPLETE ? this.#isComplete : this.#timelines.get(key.slice(PREFIX.length))?.stored;
      if (value !== undefined) changes.set(key, JSON.stringify(value));
    }
    this.#changed.clear();
    return changes;
  }

  /** Called when the storage refused these keys: they are among the next changes again. */
  putBack(keys: Iterable<string>): void {
    for (const key of keys) this.#changed.add(key);
  }

  /** Decides the beginnings of all conversations, because no list will come that names them. */
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

  /** Returns whether this user joined the group with this event, or left it. */
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
