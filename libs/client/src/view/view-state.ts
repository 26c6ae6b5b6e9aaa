/**
 * What a view holds, and how it is kept up to date: by what the client hears anyway, and by SYNC. It is stored, so that it
 * is there before the client is connected.
 *
 * The idea: it only listens. Events, receipts and syncs are taken over as they come; snapshots are made when somebody
 * looks. It acknowledges nothing and holds nothing up: should its storage fail, a sync tells again what is missing.
 *
 * Edge cases:
 * - The process died before the last changes were written: the place from which the next sync goes on is written last,
 *   so that sync tells them; messages that are not at hand are fetched when the app looks.
 * - The server counts something else than what is here: a sync of everything sets it right.
 * - What cannot be counted here is asked for, some seconds apart.
 * - A mark comes before the conversation is known, by a sync that was read before it: it is kept for the row.
 */
import {
  type ConversationRow,
  type Event,
  groupIdOf,
  type SendPayload,
  type SentPayload,
  type SyncedPayload,
  type UserPresence,
} from "@carillon/protocol";
import type { Core, Tell } from "../core";
import type { FailedMessage, Receipt } from "../events/events";
import type { Synced, SyncSince } from "../sync/read-pages";
import type { SyncKeeper } from "../sync/synchroniser";
import { Changes } from "./changes";
import type { Conversation } from "./conversation";
import { ConversationList, type ViewBounds } from "./conversation-list";
import { MessageLoader } from "./messages/loader";
import { Unsent, type UnsentMessage } from "./messages/unsent";
import { PeopleList, TypingList } from "./people-list";
import { SINCE, ViewStore } from "./view-store";

/** What a view needs of what works behind its client. */
export type ViewCore = Pick<
  Core,
  "events" | "keeps" | "prepare" | "pull" | "storage" | "synchroniser" | "unread" | "unsent" | "userId"
>;

const ASK_AGAIN_MS = 2_000;
const MOST_ASKED = 5;
const FAILED = "failed/";
const NONE = "0,0,0";

export class ViewState implements SyncKeeper {
  /** Resolves when what was stored is here. */
  readonly restored: Promise<void>;
  readonly changes = new Changes();
  readonly people = new PeopleList();
  readonly unsent: Unsent;
  readonly list: ConversationList;
  readonly loader: MessageLoader;
  readonly statuses = new Map<string, UserPresence>();
  readonly #typing = new TypingList((conversationId) => this.#touch(conversationId, false));
  readonly #store: ViewStore;
  /** Besides conversations, what is to be stored; undefined: deleted. */
  readonly #unstored = new Map<string, unknown>();
  readonly #listening: (() => void)[];
  /** What has come before the stored view was there. */
  #waiting: (() => void)[] | undefined = [];
  #since: SyncSince = {};
  /** Conversations that something was told of since the sync began that is under way. */
  readonly #touchedSince = new Set<string>();
  /** Those that the server told apart from SYNC since then: rows of this one may be older, and settings have no number. */
  readonly #toldSince = new Set<string>();
  /** Those of which the server may not have had the marks of this device when that sync began. */
  readonly #readSince = new Set<string>();
  /** Conversations whose numbers the server has to tell. */
  readonly #doubtful = new Set<string>();
  #timesAsked = 0;
  /** How much more was here than the server counted, after the last sync of everything. */
  #excess = NONE;
  #askAgain: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly core: ViewCore,
    bounds: ViewBounds,
  ) {
    const userId = () => core.userId;
    this.unsent = new Unsent(userId, (clientMsgId, message) => this.#keep(FAILED + clientMsgId, message));
    this.list = new ConversationList(bounds, userId, this.people, (id) => this.#typing.in(id));
    this.loader = new MessageLoader(
      (range) => core.pull(range),
      (...page) => this.#takeFetched(...page),
    );
    this.#store = new ViewStore(core, () => this.#takeChanges());
    this.#listening = this.#listen();
    // The stored view of another user is not shown; `connect` says so.
    this.restored = core.prepare().then(
      () => this.#restore(),
      () => {},
    );
  }

  /** A session is open. */
  online(): void {
    this.#timesAsked = 0;
    this.loader.online();
    this.#whenRestored(() => this.core.synchroniser.changes());
  }

  /** The user has read up to a number; the server is told by somebody else. */
  read(conversationId: string, seq: number): void {
    this.#whenRestored(() => {
      this.#readSince.add(conversationId);
      this.list.of(conversationId).conversation.read(seq);
      this.#touch(conversationId);
    });
  }

  /** The server has told how one conversation stands. */
  takeRow(row: ConversationRow): void {
    this.#whenRestored(() => {
      this.#toldSince.add(row.conversationId);
      // Nobody knows whether the server had the marks of this device by then.
      this.#applyRow(row, false);
    });
  }

  begin(): SyncSince {
    this.#touchedSince.clear();
    this.#toldSince.clear();
    this.#readSince.clear();
    for (const { conversationId } of this.core.unread()) this.#readSince.add(conversationId);
    return this.#since;
  }

  /** What is told is shown at once: a new device has its newest conversations after one round trip. */
  takePage(page: SyncedPayload): void {
    this.#takePeople(page);
    for (const row of page.conversations) {
      const { pinned, muted, hiddenSeq = 0 } = this.list.of(row.conversationId).conversation.stored;
      const isTold = this.#toldSince.has(row.conversationId);
      this.#applyRow(isTold ? { ...row, pinned, muted, hiddenSeq } : row, !this.#readSince.has(row.conversationId));
    }
  }

  /** What is gone can be known, and the place to go on from be kept, only when the last page has come. */
  take(synced: Synced, isAll: boolean): void {
    const { versions, syncedAt, counts } = synced;
    if (isAll) this.#dropMissing(synced);
    const { relations: relationsVersion, groups: groupsVersion } = versions;
    this.#since = { relationsVersion, groupsVersion, conversationsSince: syncedAt };
    this.#keep(SINCE, this.#since);
    const held = { ...this.people.counts, conversations: this.list.listed };
    const excess = (["relations", "groups", "conversations"] as const).map((what) => held[what] - counts[what]).join();
    // Pages are not of one moment: what a sync of everything leaves is believed when another one has left it, too.
    if (excess !== this.#excess && !(isAll && excess === NONE)) this.core.synchroniser.changes(true);
    if (isAll) this.#excess = excess;
    this.#fetchWatched();
    this.#askLater();
  }

  #applyRow(row: ConversationRow, hasMarks: boolean): void {
    const { conversation, blocks } = this.list.of(row.conversationId);
    const before = conversation.stored.clearedSeq;
    conversation.takeRow(row, hasMarks);
    // The block in which it ends is written anew; those before are deleted.
    if (conversation.stored.clearedSeq > before) blocks.touch(conversation.stored.clearedSeq);
    this.#settle(row.conversationId);
    this.#touch(row.conversationId);
  }

  #dropMissing(synced: Synced): void {
    this.#takePeople(synced, synced.unreadable);
    // What this device cannot read is there all the same: it stays as it was.
    const told = new Set([...synced.conversations.map(({ conversationId }) => conversationId), ...synced.unreadable]);
    for (const conversationId of this.list.ids) {
      if (told.has(conversationId)) continue;
      if (this.#touchedSince.has(conversationId)) {
        // Written to meanwhile, it may have passed the pages by; or it is gone, and these were its last events.
        this.list.of(conversationId).conversation.unlist();
        this.#touch(conversationId);
      } else {
        this.list.drop(conversationId);
        this.#doubtful.delete(conversationId);
        this.changes.note("conversations", `messages/${conversationId}`);
      }
    }
  }

  /** A failed message is thrown away. */
  discard(clientMsgId: string): void {
    const conversationId = this.unsent.remove(clientMsgId);
    if (conversationId !== undefined) this.changes.note(`messages/${conversationId}`);
  }

  /** Nothing is told of these users any more. */
  forgetPresence(userIds: readonly string[]): void {
    for (const userId of userIds) if (this.statuses.delete(userId)) this.changes.note(`presence/${userId}`);
  }

  /** Nothing is taken any more. @returns when all is stored */
  stop(): Promise<void> {
    for (const stop of this.#listening) stop();
    clearTimeout(this.#askAgain);
    this.#typing.stop();
    this.changes.stop();
    return this.restored.then(() => this.#store.stop());
  }

  #listen(): (() => void)[] {
    const on: Tell["on"] = (name, listener) => this.core.events.on(name, listener);
    const event = (one: Event) => this.#whenRestored(() => this.#takeEvent(one));
    return [
      on("message", event),
      on("recall", event),
      on("system", event),
      on("sending", (payload) => this.#whenRestored(() => this.#takeUnsent({ payload }))),
      on("redated", ({ from, to }) => this.#whenRestored(() => this.#takeRedated(from, to))),
      on("sent", (sent) => this.#whenRestored(() => this.#takeSent(sent))),
      on("failed", (failed) => this.#whenRestored(() => this.#takeFailed(failed))),
      on("receipt", (receipt) => this.#whenRestored(() => this.#takeReceipt(receipt))),
      on("typing", ({ conversationId, userId }) => this.#typing.begin(conversationId, userId)),
      on("presence", (users) => this.#takePresence(users)),
      on("changed", () => this.core.synchroniser.changes()),
      on("session", () => this.online()),
      on("adopted", () => this.#whenRestored(() => this.#adopt())),
      on("outbox", (payloads) => this.#whenRestored(() => this.#takeOutbox(payloads))),
      on("marks", (marks) => {
        for (const { conversationId, seq } of marks) this.read(conversationId, seq);
      }),
      on("row", (row) => this.takeRow(row)),
      on("released", (userIds) => this.forgetPresence(userIds)),
      on("state", ({ name }) => {
        if (name !== "online") this.forgetPresence([...this.statuses.keys()]);
      }),
    ];
  }

  async #restore(): Promise<void> {
    const values = await this.#store.restore().catch((error: Error) => {
      this.core.events.fail(error);
      return new Map<string, unknown>();
    });
    const rows = <T>(prefix: string) =>
      [...values].flatMap(([key, value]) => (key.startsWith(prefix) && value !== undefined ? [value as T] : []));
    this.people.takeRelations(rows("relation/"));
    this.people.takeGroups(rows("group/"));
    this.list.restore(values);
    for (const { conversation } of this.list.all) {
      if (!conversation.isExact) this.#doubtful.add(conversation.conversationId);
    }
    for (const message of rows<UnsentMessage>(FAILED)) this.#takeUnsent(message);
    this.#takeOutbox(this.core.unsent());
    this.#since = (values.get(SINCE) as SyncSince | undefined) ?? {};
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.core.synchroniser.keeper = this;
    for (const work of waiting) work();
    for (const { conversationId, seq } of this.core.unread()) this.read(conversationId, seq);
    this.changes.note("conversations", "people");
  }

  /** What comes before the stored view is there waits for it: it is newer. */
  #whenRestored(work: () => void): void {
    if (this.#waiting === undefined) work();
    else this.#waiting.push(work);
  }

  #takeEvent(event: Event): void {
    const { conversationId, seq, kind, senderId } = event;
    const { conversation, blocks } = this.list.of(conversationId);
    conversation.takeEvent(event);
    blocks.touch(seq, event.targetSeq ?? seq);
    this.#takeOwn(event);
    this.#typing.end(conversationId, senderId);
    this.#touch(conversationId);
    // Who belongs to a group, and what it is called, is told by SYNC.
    if (kind === "system") this.core.synchroniser.changes();
  }

  #takeUnsent(message: UnsentMessage): void {
    const conversationId = this.unsent.put(message);
    if (conversationId === undefined) return;
    // The server may have it, though the outbox has not heard so.
    const shown = this.list.get(conversationId)?.conversation.window.shown ?? [];
    for (const event of shown) if (event.clientMsgId === message.payload.clientMsgId) this.#takeOwn(event);
    this.changes.note(`messages/${conversationId}`);
  }

  /** All that waits, as an engine that begins has found it; another tab may have sent the rest, or dated it anew. */
  #takeOutbox(payloads: readonly SendPayload[]): void {
    const ids = new Set(payloads.map(({ clientMsgId }) => clientMsgId));
    for (const clientMsgId of this.unsent.waiting) if (!ids.has(clientMsgId)) this.discard(clientMsgId);
    for (const payload of payloads) {
      const known = this.unsent.get(payload.clientMsgId);
      if (known === undefined || known.failure !== undefined) this.#takeUnsent({ payload });
    }
  }

  #takeRedated(from: string, to: string): void {
    const conversationId = this.unsent.rename(from, to);
    if (conversationId !== undefined) this.changes.note(`messages/${conversationId}`);
  }

  #takeFailed({ message, error }: FailedMessage): void {
    this.#takeUnsent({ payload: message, failure: error.message });
  }

  #takeSent(sent: SentPayload): void {
    if (this.unsent.sent(sent) === undefined) return;
    this.#settle(sent.conversationId);
    this.changes.note(`messages/${sent.conversationId}`);
  }

  /** An own message that is among the events is unsent no more, and did not fail. */
  #takeOwn({ senderId, clientMsgId }: Event): void {
    if (senderId === this.core.userId) this.unsent.remove(clientMsgId);
  }

  #takeFetched(conversation: Conversation, events: readonly Event[], last: number): void {
    const { conversationId } = conversation;
    const entry = this.list.get(conversationId);
    // It was taken out of the list while the page was under way.
    if (entry?.conversation !== conversation) return;
    // The next block may hold events that lay apart until now and are not stored.
    entry.blocks.touch(last + 1);
    for (const event of events) {
      entry.blocks.touch(event.seq, event.targetSeq ?? event.seq);
      this.#takeOwn(event);
    }
    this.#settle(conversationId);
    this.#touch(conversationId);
  }

  /** Own messages that are among the events now, or below them, or cleared, are unsent no more. */
  #settle(conversationId: string): void {
    const { window, stored } = this.list.of(conversationId).conversation;
    const newest = Math.max(window.newest?.[1] ?? 0, stored.clearedSeq);
    for (const { sent, payload } of this.unsent.in(conversationId)) {
      if (sent !== undefined && sent.seq <= newest) this.unsent.remove(payload.clientMsgId);
    }
  }

  #takeReceipt({ kind, ...update }: Receipt): void {
    // It may be the first that is heard of the conversation: the row that is under way can be older.
    this.list.of(update.conversationId).conversation.takeReceipt(kind, update);
    this.#touch(update.conversationId);
  }

  #takePresence(users: readonly UserPresence[]): void {
    for (const user of users) {
      this.statuses.set(user.userId, user);
      this.changes.note(`presence/${user.userId}`);
    }
  }

  /** @param all as in PeopleList */
  #takePeople({ relations, groups }: Pick<Synced, "relations" | "groups">, all?: ReadonlySet<string>): void {
    const { people } = this;
    const persons = new Set(people.takeRelations(relations, all));
    const changed = new Set(people.takeGroups(groups, all));
    this.#keepPeople(persons, changed);
    if (persons.size + changed.size === 0) return;
    this.changes.note("people", "conversations");
    // Titles are made of names.
    for (const { conversation } of this.list.all) {
      const { kind, peerId, conversationId } = conversation;
      const isNamed = kind === "group" ? changed.has(groupIdOf(conversationId) ?? "") : persons.has(peerId ?? "");
      if (isNamed) this.list.touch(conversationId, false);
    }
  }

  #keepPeople(persons: Iterable<string>, groups: Iterable<string>): void {
    const { people } = this;
    for (const userId of persons) {
      const { name: _, ...row } = people.person(userId) ?? {};
      this.#keep(`relation/${userId}`, people.person(userId) && row);
    }
    for (const groupId of groups) this.#keep(`group/${groupId}`, people.group(groupId));
  }

  /** All of it is stored, in place of what another view has left there, which may know less, or something else. */
  #adopt(): void {
    const { persons, groups } = this.people.ids;
    this.list.touchAll();
    this.#keepPeople(persons, groups);
    for (const [clientMsgId, message] of this.unsent.failed) this.#keep(FAILED + clientMsgId, message);
    this.#keep(SINCE, this.#since);
    this.#store.replace();
  }

  /** A conversation is other than before. @param isStored false: only for this moment */
  #touch(conversationId: string, isStored = true): void {
    this.list.touch(conversationId, isStored);
    this.changes.note("conversations", `messages/${conversationId}`);
    if (!isStored) return;
    this.#touchedSince.add(conversationId);
    this.#store.note();
    this.#check(conversationId);
  }

  /** What the server has to tell is asked for. */
  #check(conversationId: string): void {
    const isExact = this.list.get(conversationId)?.conversation.isExact ?? true;
    if (isExact) this.#doubtful.delete(conversationId);
    else if (!this.#doubtful.has(conversationId) || this.#timesAsked >= MOST_ASKED) {
      this.#doubtful.add(conversationId);
      this.#timesAsked = 0;
      this.core.synchroniser.changes();
    }
  }

  #keep(key: string, value: unknown): void {
    this.#unstored.set(key, value);
    this.#store.note();
  }

  #takeChanges(): Map<string, unknown> {
    const trimmed = this.list.trim((conversationId) => this.changes.isWatched(`messages/${conversationId}`));
    for (const conversationId of trimmed) this.#check(conversationId);
    const changes = new Map([...this.list.takeChanges(), ...this.#unstored]);
    this.#unstored.clear();
    return changes;
  }

  #askLater(): void {
    clearTimeout(this.#askAgain);
    if (this.#doubtful.size === 0 || this.#timesAsked >= MOST_ASKED) return;
    this.#timesAsked++;
    // What a sync of changes does not tell may not be there any more: then one of everything says so.
    const isAll = this.#timesAsked > MOST_ASKED / 2;
    this.#askAgain = setTimeout(() => this.core.synchroniser.changes(isAll), ASK_AGAIN_MS);
  }

  /** What the app looks at is fetched as soon as it is known to be there. */
  #fetchWatched(): void {
    for (const { conversation, messages } of this.list.all) {
      if (!this.changes.isWatched(`messages/${conversation.conversationId}`)) continue;
      this.loader.newest(conversation);
      for (const around of messages.keys()) this.loader.around(conversation, around);
    }
  }
}
