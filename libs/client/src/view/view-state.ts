/**
 * The state of a view. It follows the events of the client, and SYNC. The storage keeps it, so it is there before the client is
 * connected.
 *
 * The idea: the state only listens. It takes events, receipts and syncs as they come, and makes snapshots when the app looks. It
 * acknowledges nothing and delays nothing: if its storage fails, a SYNC brings the missing rows again.
 *
 * Edge cases:
 * - The process died before it wrote the last changes: the place from which the next SYNC continues is written last, so that SYNC
 *   brings them. The view fetches messages that are not at hand when the app looks.
 * - The server's counts differ from the view's: a SYNC of everything corrects them.
 * - The view asks the server for counts that it cannot compute, with some seconds between two questions.
 * - A mark comes before the conversation is known, because the SYNC under way was read before the mark: the view keeps the mark
 *   for the row.
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

/** The part of a core that a view needs. */
export type ViewCore = Pick<
  Core,
  "events" | "keeps" | "prepare" | "pull" | "storage" | "synchroniser" | "unread" | "unsent" | "userId"
>;

const ASK_AGAIN_MS = 2_000;
const MOST_ASKED = 5;
const FAILED = "failed/";
const NONE = "0,0,0";

export class ViewState implements SyncKeeper {
  /** Resolves when the stored view is restored. */
  readonly restored: Promise<void>;
  readonly changes = new Changes();
  readonly people = new PeopleList();
  readonly unsent: Unsent;
  readonly list: ConversationList;
  readonly loader: MessageLoader;
  readonly statuses = new Map<string, UserPresence>();
  readonly #typing = new TypingList((conversationId) => this.#touch(conversationId, false));
  readonly #store: ViewStore;
  /** The changes to store, besides those of conversations; undefined: delete the key. */
  readonly #unstored = new Map<string, unknown>();
  readonly #listening: (() => void)[];
  /** The work that arrived before the stored view was restored; undefined afterwards. */
  #waiting: (() => void)[] | undefined = [];
  #since: SyncSince = {};
  /** Conversations that have changed since the SYNC under way began. */
  readonly #touchedSince = new Set<string>();
  /**
   * Conversations whose rows the server has sent apart from SYNC since then: a row of this SYNC may be older, and settings have
   * no number.
   */
  readonly #toldSince = new Set<string>();
  /** Conversations whose marks of this device the server may not have had when that SYNC began. */
  readonly #readSince = new Set<string>();
  /** Conversations whose counts the server has to tell. */
  readonly #doubtful = new Set<string>();
  #timesAsked = 0;
  /** The view's counts minus the server's, after the last SYNC of everything. */
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
    // The view does not show the stored view of another user; `connect` rejects with the reason.
    this.restored = core.prepare().then(
      () => this.#restore(),
      () => {},
    );
  }

  /** Called when a session is open. */
  online(): void {
    this.#timesAsked = 0;
    this.loader.online();
    this.#whenRestored(() => this.core.synchroniser.changes());
  }

  /** Called when the user has read up to a number; the engine tells the server. */
  read(conversationId: string, seq: number): void {
    this.#whenRestored(() => {
      this.#readSince.add(conversationId);
      this.list.of(conversationId).conversation.read(seq);
      this.#touch(conversationId);
    });
  }

  /** Takes the row of one conversation from the server. */
  takeRow(row: ConversationRow): void {
    this.#whenRestored(() => {
      this.#toldSince.add(row.conversationId);
      // It is unknown whether the server had the marks of this device when it wrote the row.
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

  /** Shows the rows of a page at once: a new device has its newest conversations after one round trip. */
  takePage(page: SyncedPayload): void {
    this.#takePeople(page);
    for (const row of page.conversations) {
      const { pinned, muted, hiddenSeq = 0 } = this.list.of(row.conversationId).conversation.stored;
      const isTold = this.#toldSince.has(row.conversationId);
      this.#applyRow(isTold ? { ...row, pinned, muted, hiddenSeq } : row, !this.#readSince.has(row.conversationId));
    }
  }

  /**
   * Takes the whole SYNC. Only after the last page the view can tell the missing rows, and store the place from which the next
   * SYNC continues.
   */
  take(synced: Synced, isAll: boolean): void {
    const { versions, syncedAt, counts } = synced;
    if (isAll) this.#dropMissing(synced);
    const { relations: relationsVersion, groups: groupsVersion } = versions;
    this.#since = { relationsVersion, groupsVersion, conversationsSince: syncedAt };
    this.#keep(SINCE, this.#since);
    const held = { ...this.people.counts, conversations: this.list.listed };
    const excess = (["relations", "groups", "conversations"] as const).map((what) => held[what] - counts[what]).join();
    // Pages are not of one moment. The view believes a difference after a SYNC of everything once another one has left the same.
    if (excess !== this.#excess && !(isAll && excess === NONE)) this.core.synchroniser.changes(true);
    if (isAll) this.#excess = excess;
    this.#fetchWatched();
    this.#askLater();
  }

  #applyRow(row: ConversationRow, hasMarks: boolean): void {
    const { conversation, blocks } = this.list.of(row.conversationId);
    const before = conversation.stored.clearedSeq;
    conversation.takeRow(row, hasMarks);
    // The view writes the block that contains the cleared number anew, and deletes the blocks before.
    if (conversation.stored.clearedSeq > before) blocks.touch(conversation.stored.clearedSeq);
    this.#settle(row.conversationId);
    this.#touch(row.conversationId);
  }

  #dropMissing(synced: Synced): void {
    this.#takePeople(synced, synced.unreadable);
    // A row that this device cannot read exists all the same: the conversation stays as it was.
    const told = new Set([...synced.conversations.map(({ conversationId }) => conversationId), ...synced.unreadable]);
    for (const conversationId of this.list.ids) {
      if (told.has(conversationId)) continue;
      if (this.#touchedSince.has(conversationId)) {
        // The conversation has changed meanwhile, so the pages may have missed it; or it is gone, and these were its last events.
        this.list.of(conversationId).conversation.unlist();
        this.#touch(conversationId);
      } else {
        this.list.drop(conversationId);
        this.#doubtful.delete(conversationId);
        this.changes.note("conversations", `messages/${conversationId}`);
      }
    }
  }

  /** Discards a failed message. */
  discard(clientMsgId: string): void {
    const conversationId = this.unsent.remove(clientMsgId);
    if (conversationId !== undefined) this.changes.note(`messages/${conversationId}`);
  }

  /** Forgets the presence of users of whom the client hears no more. */
  forgetPresence(userIds: readonly string[]): void {
    for (const userId of userIds) if (this.statuses.delete(userId)) this.changes.note(`presence/${userId}`);
  }

  /** Ends the view's work. @returns a promise that resolves when all is stored */
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

  /** Runs work once the stored view is restored: the work is newer than the stored view. */
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
    // SYNC tells the members' roles and the names of groups.
    if (kind === "system") this.core.synchroniser.changes();
  }

  #takeUnsent(message: UnsentMessage): void {
    const conversationId = this.unsent.put(message);
    if (conversationId === undefined) return;
    // The server may have the message, though the outbox has not heard of it.
    const shown = this.list.get(conversationId)?.conversation.window.shown ?? [];
    for (const event of shown) if (event.clientMsgId === message.payload.clientMsgId) this.#takeOwn(event);
    this.changes.note(`messages/${conversationId}`);
  }

  /** Takes all messages that wait in the outbox of a new engine; another tab may have sent the others, or changed their ids. */
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

  /** Removes an own message that is among the events from the unsent ones. */
  #takeOwn({ senderId, clientMsgId }: Event): void {
    if (senderId === this.core.userId) this.unsent.remove(clientMsgId);
  }

  #takeFetched(conversation: Conversation, events: readonly Event[], last: number): void {
    const { conversationId } = conversation;
    const entry = this.list.get(conversationId);
    // The list dropped the conversation while the page was under way.
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

  /** Removes own messages that are among the events now, or below them, or cleared, from the unsent ones. */
  #settle(conversationId: string): void {
    const { window, stored } = this.list.of(conversationId).conversation;
    const newest = Math.max(window.newest?.[1] ?? 0, stored.clearedSeq);
    for (const { sent, payload } of this.unsent.in(conversationId)) {
      if (sent !== undefined && sent.seq <= newest) this.unsent.remove(payload.clientMsgId);
    }
  }

  #takeReceipt({ kind, ...update }: Receipt): void {
    // The receipt may be the first news of the conversation: the row under way can be older.
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
    // The titles of conversations contain names.
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

  /** Stores the whole view, in place of the view that another client has stored, which may know less, or other things. */
  #adopt(): void {
    const { persons, groups } = this.people.ids;
    this.list.touchAll();
    this.#keepPeople(persons, groups);
    for (const [clientMsgId, message] of this.unsent.failed) this.#keep(FAILED + clientMsgId, message);
    this.#keep(SINCE, this.#since);
    this.#store.replace();
  }

  /** Called when a conversation has changed. @param isStored false: the change is not stored */
  #touch(conversationId: string, isStored = true): void {
    this.list.touch(conversationId, isStored);
    this.changes.note("conversations", `messages/${conversationId}`);
    if (!isStored) return;
    this.#touchedSince.add(conversationId);
    this.#store.note();
    this.#check(conversationId);
  }

  /** Asks the server for counts that the view cannot compute. */
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
    // If a SYNC of changes does not list the conversation, it may be gone: a SYNC of everything then shows that.
    const isAll = this.#timesAsked > MOST_ASKED / 2;
    this.#askAgain = setTimeout(() => this.core.synchroniser.changes(isAll), ASK_AGAIN_MS);
  }

  /** Fetches the messages at which the app looks, as soon as the view knows that they exist. */
  #fetchWatched(): void {
    for (const { conversation, messages } of this.list.all) {
      if (!this.changes.isWatched(`messages/${conversation.conversationId}`)) continue;
      this.loader.newest(conversation);
      for (const around of messages.keys()) this.loader.around(conversation, around);
    }
  }
}
