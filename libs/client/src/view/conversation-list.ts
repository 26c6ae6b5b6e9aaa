/** All conversations of the view, in their shown and in their stored form. */
import { type Event, groupIdOf } from "@carillon/protocol";
import type { SeqRange } from "../order/timeline";
import { Conversation, type StoredConversation } from "./conversation";
import { type Drawn, listMessages } from "./messages/list";
import { PAGE } from "./messages/loader";
import type { UnsentMessage } from "./messages/unsent";
import { MessageBlocks, MessageWindow } from "./messages/window";
import type { PeopleList } from "./people-list";
import type { ViewConversation, ViewMessages } from "./snapshots";

/** The bounds of the messages that a view keeps. */
export interface ViewBounds {
  /** The number of newest messages of each conversation. Default 200. */
  messages?: number;
  /** The number of newest conversations whose messages the view keeps. Default 100. */
  conversations?: number;
}

/** A conversation with its last shown form. */
export interface Entry {
  readonly conversation: Conversation;
  readonly blocks: MessageBlocks;
  /**
   * The number of messages at the newest end that may stay in memory: more than the storage keeps if the app has loaded older
   * ones.
   */
  room: number;
  snapshot?: ViewConversation | undefined;
  /** The last shown snapshots, by the number around which the app looks; undefined: the newest end. */
  readonly messages: Map<number | undefined, ViewMessages>;
  readonly drawn: Drawn;
}

/** The stored form of a conversation, without the blocks of its messages. */
interface StoredEntry {
  state: StoredConversation;
  /** The numbers that the stored messages cover. */
  range?: SeqRange | undefined;
}

const CONVERSATION = "conversation/";
const MESSAGES = "messages/";

export class ConversationList {
  readonly #entries = new Map<string, Entry>();
  readonly #unstored = new Set<string>();
  /** The keys of removed conversations and messages, which the storage has to delete. */
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

  /** The ids of conversations that have events. */
  get ids(): string[] {
    return [...this.#entries].flatMap(([id, { conversation }]) => (conversation.stored.lastSeq > 0 ? [id] : []));
  }

  /** The number of conversations that the server has listed; the server counts the same ones. */
  get listed(): number {
    return [...this.#entries.values()].filter(({ conversation }) => conversation.stored.isListed).length;
  }

  /** Pinned conversations first, then the newest; the same object until something changes. */
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

  /** Returns the entry of a conversation, and makes it if there is none. */
  of(conversationId: string): Entry {
    const known = this.#entries.get(conversationId);
    // An entry that was made before the client knew the user's id is empty: the list makes it anew.
    if (known !== undefined && known.conversation.userId === this.userId()) return known;
    return this.#put(conversationId, new MessageWindow(), new MessageBlocks());
  }

  messages(conversationId: string, unsent: readonly UnsentMessage[], around?: number): ViewMessages {
    const { conversation, messages, drawn } = this.of(conversationId);
    const shown = listMessages(conversation, unsent, messages.get(around), drawn, around);
    messages.set(around, shown);
    return shown;
  }

  /** Called when a conversation looks different now. @param isStored false: its stored form has not changed */
  touch(conversationId: string, isStored = true): void {
    this.#undrawn.add(conversationId);
    if (isStored) this.#unstored.add(conversationId);
  }

  /** Marks everything for the next write. */
  touchAll(): void {
    for (const [conversationId, { blocks }] of this.#entries) {
      blocks.touchAll();
      this.touch(conversationId);
    }
  }

  /** Removes a conversation, and its stored form. */
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
   * Drops messages beyond the bounds.
   * @param isOpen whether the app looks at a conversation, which then keeps its loaded messages, also those around a number
   * @returns the conversations that lost messages
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

  /** Returns all changes since the last call for the storage, by key; undefined: delete the key. */
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

  /** Restores the stored conversations. */
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
    // The page that the first look has fetched stays while the app looks, even if the storage keeps fewer messages.
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

/** Returns the earlier snapshot if both are the same. Snapshots are plain data, so their JSON texts can be compared. */
function keepSame(before: ViewConversation | undefined, now: ViewConversation): ViewConversation {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
