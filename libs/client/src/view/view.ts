/**
 * The view of a client: conversations, messages, people and presence, which the client updates and stores. All its values are
 * immutable and stay the same objects while nothing changes, so any framework can bind to it: `useSyncExternalStore((draw) =>
 * view.subscribe("conversations", draw), () => view.conversations)`.
 */
import type { SendPayload, SentPayload, UserPresence } from "@carillon/protocol";
import type { ViewPart } from "./changes";
import { PAGE } from "./messages/loader";
import type { People, ViewConversation, ViewMessages } from "./snapshots";
import type { ViewState } from "./view-state";

/** The calls that the view makes to its client. */
interface ViewActions {
  send(message: SendPayload): Promise<SentPayload>;
  watch(userIds: readonly string[]): () => void;
}

/** The place in a conversation at which the app looks. */
export interface ViewPlace {
  /** The number of a message, `seq`. Undefined, or beyond the last one: the newest end. */
  around?: number | undefined;
}

/** The local view of a client, from `viewOf(client)`. */
export class View {
  constructor(
    private readonly state: ViewState,
    private readonly actions: ViewActions,
  ) {}

  /** Resolves when the stored view is restored; it needs no connection. */
  get restored(): Promise<void> {
    return this.state.restored;
  }

  /** All conversations: pinned ones first, then the newest. */
  get conversations(): readonly ViewConversation[] {
    return this.state.list.snapshot;
  }

  /** Relations and groups, by name. */
  get people(): People {
    return this.state.people.people;
  }

  /**
   * Returns messages of a conversation: the newest, or those on both sides of a number, which need not be the number of a
   * message. The view fetches messages that are not at hand, and calls the listeners when they have come.
   */
  messages(conversationId: string, { around }: ViewPlace = {}): ViewMessages {
    const { list, unsent, loader } = this.state;
    const messages = list.messages(conversationId, unsent.in(conversationId), around);
    const { conversation } = list.of(conversationId);
    loader.newest(conversation);
    loader.around(conversation, around);
    return messages;
  }

  /**
   * Loads the messages before the shown ones. They stay while the app subscribes to `messages/<id>`.
   * @returns whether there are still older messages
   * @throws CarillonError UNAVAILABLE without a connection
   */
  async loadOlder(conversationId: string, place?: ViewPlace): Promise<boolean> {
    const { list, loader } = this.state;
    const entry = list.of(conversationId);
    entry.room = Math.max(entry.room, entry.conversation.window.shown.length + PAGE);
    await loader.older(entry.conversation, place?.around);
    return this.messages(conversationId, place).hasOlder;
  }

  /**
   * Loads the messages after those that are shown around a number. They stay while the app subscribes to `messages/<id>`.
   * @returns whether there are still newer messages; false: the newest end is reached
   * @throws CarillonError UNAVAILABLE without a connection
   */
  async loadNewer(conversationId: string, place: ViewPlace): Promise<boolean> {
    const { list, loader } = this.state;
    await loader.newer(list.of(conversationId).conversation, place.around);
    return this.messages(conversationId, place).hasNewer;
  }

  /** Returns the presence of a user; undefined while the app does not watch them, or the client is not connected. */
  presence(userId: string): UserPresence | undefined {
    return this.state.statuses.get(userId);
  }

  /**
   * Watches whether users are online. A user who is watched twice is watched until both watches end; the client watches the first
   * 500 users.
   * @returns an unsubscribe function
   */
  watch(userIds: readonly string[]): () => void {
    return this.actions.watch(userIds);
  }

  /**
   * Calls the listener when the view has changed: once per turn of the event loop, however many changes there were.
   * @param part `conversations`, `people`, `messages/<conversationId>` or `presence/<userId>`; if left out: any part
   * @returns an unsubscribe function
   */
  subscribe(listener: () => void): () => void;
  subscribe(part: ViewPart, listener: () => void): () => void;
  subscribe(part: ViewPart | (() => void), listener?: () => void): () => void {
    const { changes } = this.state;
    return typeof part === "function"
      ? changes.subscribe("all", part)
      : changes.subscribe(part, listener as () => void);
  }

  /**
   * Sends a failed message again, with the same id: the server stores it once.
   * @returns the answer; undefined if there is no such message
   * @throws CarillonError the same errors as `client.send`
   */
  async sendAgain(clientMsgId: string): Promise<SentPayload | undefined> {
    const message = this.state.unsent.get(clientMsgId);
    return message?.failure === undefined ? undefined : this.actions.send(message.payload);
  }

  /** Discards a failed message. */
  discard(clientMsgId: string): void {
    if (this.state.unsent.get(clientMsgId)?.failure !== undefined) this.state.discard(clientMsgId);
  }
}
