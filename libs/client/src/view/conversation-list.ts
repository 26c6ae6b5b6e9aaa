/** All conversations of the view, as they are shown and as they are stored. */
import { type Event, groupIdOf } from "@carillon/protocol";
import type { SeqRange } from "../order/timeline";
import { Conversation, type StoredConversation } from "./conversation";
import { type Drawn, listMessages } from "./messages/list";
import { PAGE } from "./messages/loader";
import type { UnsentMessage } from "./messages/unsent";
import { MessageBlocks, MessageWindow } from "./messages/window";
import type { PeopleList } from "./people-list";
import type { ViewConversation, ViewMessages } from "./snapshots";

/** How much of the messages a view keeps. */
export interface ViewBounds {
  /** Newest messages of a conversation. Default 200. */
  messages?: number;
  /** Newest conversations that have messages at hand. Default 100. */
  conversations?: number;
}

/** A conversation with what was last shown of it. */
export interface Entry {
  readonly conversation: Conversation;
  readonly blocks: MessageBlocks;
  /** Messages at the newest end that may stay in memory: more than are stored when the app has loaded older ones. */
  room: number;
  snapshot?: ViewConversation | undefined;
  /** Snapshots that were shown last, by the number around which the app looks; undefined: the newest end. */
  readonly messages: Map<number | undefined, ViewMessages>;
  readonly drawn: Drawn;
}

/** What is stored of a conversation besides the blocks of its messages. */
interface StoredEntry {
  state: StoredConversation;
  /** Numbers that the stored messages cover. */
  range?: SeqRange | undefined;
}

const CONVERSATION = "conversation/";
const MESSAGES = "messages/";

export class ConversationList {
  readonly #entries = new Map<string, Entry>();
  readonly #unstored = new Set<string>();
  /** What was taken out, to be deleted from the storage. */
  readonly #deletions = new Set<string>();
  readonly #undrawn = new Set<string>();
  #shown: readonly ViewConversation[] = [];
  readonly #mostMessages: number;
  readonly #mostWindows: number;

  constructor(
    bounds: ViewBounds,
    private readonly userId: () => string | undefined,
    private readonly people: Pick<PeopleList, "person" | "group">,
    private readonly typing: (conversationId: string) => readonly string[],
  ) {
    this.#mostMessages = bounds.messages ?? 200;
    this.#mostWindows = bounds.conversations ?? 100;
  }

  get all(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** Those in which something was said. */
  get ids(): string[] {
    return [...this.#entries].flatMap(([id, { conversation }]) => (conversation.stored.lastSeq > 0 ? [id] : []));
  }

  /** How many the server has listed: it counts them, too. */
  get listed(): number {
    return [...this.#entries.values()].filter(({ conversation }) => conversation.stored.isListed).length;
  }

  /** Pinned ones first, then the newest; the same object until something changes. */
  get snapshot(): readonly ViewConversation[] {
    if (this.#undrawn.size === 0) return this.#shown;
    for (const conversationId of this.#undrawn) {
      const entry = this.#entries.get(conversationId);
      if (entry !== undefined) entry.snapshot = keepSame(entry.snapshot, this.#draw(entry.conversation));
    }
    this.#undrawn.clear();
    const all = [...this.#entries.values()].flatMap(({ conversation, snapshot }) =>
      snapshot && conversation.isShown ? [snapshot] : [],
    );
    all.sort(byPlace);
    const isSame = all.length === this.#shown.length && all.every((one, i) => one === this.#shown[i]);
    if (!isSame) this.#shown = all;
    return this.#shown;
  }

  get(conversationId: string): Entry | undefined {
    return this.#entries.get(conversationId);
  }

  /** The entry of a conversation, which is made when there is none. */
  of(conversationId: string): Entry {
    const known = this.#entries.get(conversationId);
    // One that was opened before it was known whose list this is has nothing in it yet: it is made anew.
    if (known !== undefined && known.conversation.userId === this.userId()) return known;
    return this.#put(conversationId, new MessageWindow(), new MessageBlocks());
  }

  messages(conversationId: string, unsent: readonly UnsentMessage[], around?: number): ViewMessages {
    const { conversation, messages, drawn } = this.of(conversationId);
    const shown = listMessages(conversation, unsent, messages.get(around), drawn, around);
    messages.set(around, shown);
    return shown;
  }

  /** A conversation is shown differently now. @param isStored false: what is stored of it is as before */
  touch(conversationId: string, isStored = true): void {
    this.#undrawn.add(conversationId);
    if (isStored) this.#unstored.add(conversationId);
  }

  /** All of it is to be written. */
  touchAll(): void {
    for (const [conversationId, { blocks }] of this.#entries) {
      blocks.touchAll();
      this.touch(conversationId);
    }
  }

  /** Takes a conversation out, and what is stored of it. */
  drop(conversationId: string): void {
    const entry = this.#entries.get(conversationId);
    if (entry === undefined) return;
    this.#entries.delete(conversationId);
    this.#unstored.delete(conversationId);
    this.#undrawn.add(conversationId);
    this.#deletions.add(CONVERSATION + conversationId);
    const { blocks } = entry.blocks.take(new MessageWindow(), 0);
    for (const block of blocks.keys()) this.#deletions.add(keyOf(conversationId, block));
  }

  /**
   * Lets go of messages beyond the bounds.
   * @param isOpen what the app looks at keeps what it has loaded, around a number, too
   * @returns the conversations of which some went
   */
  trim(isOpen: (conversationId: string) => boolean): string[] {
    const trimmed: string[] = [];
    const full = [...this.#entries.values()].filter(({ conversation }) => conversation.window.newest !== undefined);
    full.sort((a, b) => b.conversation.stored.lastAt - a.conversation.stored.lastAt);
    full.forEach(({ conversation, room, messages }, place) => {
      const { conversationId } = conversation;
      const isWatched = isOpen(conversationId);
      const most = isWatched ? room : place < this.#mostWindows ? this.#mostMessages : 0;
      for (const around of messages.keys()) if (around !== undefined && !isWatched) messages.delete(around);
      if (conversation.trim(most, [...messages.keys()])) trimmed.push(conversationId);
    });
    for (const conversationId of trimmed) this.touch(conversationId);
    return trimmed;
  }

  /** What is to be written of all that has changed since the last call, by key; undefined: deleted. */
  takeChanges(): Map<string, unknown> {
    const changes = new Map<string, unknown>([...this.#deletions].map((key) => [key, undefined]));
    this.#deletions.clear();
    for (const conversationId of this.#unstored) {
      const { conversation, blocks } = this.of(conversationId);
      const kept = blocks.take(conversation.window, this.#mostMessages);
      for (const [block, events] of kept.blocks) changes.set(keyOf(conversationId, block), events);
      changes.set(CONVERSATION + conversationId, { state: conversation.stored, range: kept.range });
    }
    this.#unstored.clear();
    return changes;
  }

  /** Takes over what is stored. */
  restore(values: ReadonlyMap<string, unknown>): void {
    const events = new Map<string, Event[]>();
    const blocks = new Map<string, Set<number>>();
    for (const [key, value] of values) {
      if (!key.startsWith(MESSAGES)) continue;
      const [, conversationId, block] = key.split("/") as [string, string, string];
      events.set(conversationId, [...(events.get(conversationId) ?? []), ...((value as Event[] | undefined) ?? [])]);
      blocks.set(conversationId, (blocks.get(conversationId) ?? new Set()).add(Number(block)));
    }
    for (const [key, value] of values) {
      if (!key.startsWith(CONVERSATION) || value === undefined) continue;
      const conversationId = key.slice(CONVERSATION.length);
      const { state, range } = value as StoredEntry;
      const window = new MessageWindow();
      if (range !== undefined) window.addPage(...range, events.get(conversationId) ?? []);
      this.#put(conversationId, window, new MessageBlocks(blocks.get(conversationId)), state);
      this.#undrawn.add(conversationId);
    }
    for (const [conversationId, numbers] of blocks) {
      if (this.#entries.has(conversationId)) continue;
      for (const block of numbers) this.#deletions.add(keyOf(conversationId, block));
    }
  }

  #put(conversationId: string, window: MessageWindow, blocks: MessageBlocks, stored?: StoredConversation): Entry {
    const conversation = new Conversation(conversationId, this.userId(), window, stored);
    // A page that the first look has fetched stays while the app looks, however little is stored.
    const room = Math.max(this.#mostMessages, PAGE);
    const entry = { conversation, blocks, room, messages: new Map(), drawn: new WeakMap() };
    this.#entries.set(conversationId, entry);
    return entry;
  }

  #draw(conversation: Conversation): ViewConversation {
    const { conversationId, kind, peerId, unread, preview, stored } = conversation;
    const { lastSeq, lastAt, pinned, muted, readSeq, clearedSeq, peerReadSeq, peerDeliveredSeq } = stored;
    const groupId = groupIdOf(conversationId);
    const group = groupId === undefined ? undefined : this.people.group(groupId);
    const title = kind === "group" ? group?.name || undefined : peerId && this.people.person(peerId)?.name;
    const hasPeer = kind === "private" && peerId !== this.userId();
    return {
      ...{ conversationId, kind, title: title ?? peerId ?? groupId ?? conversationId },
      ...(peerId === undefined ? {} : { peerId }),
      ...(group === undefined ? {} : { group }),
      ...{ lastSeq, lastAt, unread, pinned, muted, readSeq, clearedSeq },
      ...(preview === undefined ? {} : { preview }),
      ...(hasPeer ? { peerReadSeq, peerDeliveredSeq } : {}),
      typing: this.typing(conversationId),
    };
  }
}

const keyOf = (conversationId: string, block: number) => `${MESSAGES}${conversationId}/${block}`;

function byPlace(a: ViewConversation, b: ViewConversation): number {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
  return b.lastAt - a.lastAt || (a.conversationId < b.conversationId ? -1 : 1);
}

/** Snapshots are plain data, so their text tells whether they are the same. */
function keepSame(before: ViewConversation | undefined, now: ViewConversation): ViewConversation {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
