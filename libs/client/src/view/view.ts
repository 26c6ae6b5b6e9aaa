/**
 * What an app shows: conversations, messages, people, who is there; kept up to date and stored by the client. All that it
 * gives out is immutable and stays the same object while nothing changes, so that any framework can bind to it:
 * `useSyncExternalStore((draw) => view.subscribe("conversations", draw), () => view.conversations)`.
 */
import type { SendPayload, SentPayload, UserPresence } from "@carillon/protocol";
import type { ViewPart } from "./changes";
import { PAGE } from "./messages/loader";
import type { People, ViewConversation, ViewMessages } from "./snapshots";
import type { ViewState } from "./view-state";

/** What the view asks its client to do. */
interface ViewActions {
  send(message: SendPayload): Promise<SentPayload>;
  watch(userIds: readonly string[]): () => void;
}

/** Where in a conversation the app looks. */
export interface ViewPlace {
  /** Number of a message, `seq`. Left out, or beyond the last one: the newest end. */
  around?: number | undefined;
}

/** The local view of a client: `client.view`. */
export class View {
  constructor(
    private readonly state: ViewState,
    private readonly actions: ViewActions,
  ) {}

  /** Resolves when what was stored is shown; a connection is not needed for that. */
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
   * Messages of a conversation: the newest, or those on both sides of a number, which need not be that of a message. Those
   * that are not at hand are fetched, and the listeners hear of it.
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
   * Brings the messages before those that are shown there. They stay while somebody subscribes to `messages/<id>`.
   * @returns whether there are still older ones
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
   * Brings the messages behind those that are shown around a number. They stay as the older ones do.
   * @returns whether there are still newer ones; false: the newest end is reached
   * @throws CarillonError UNAVAILABLE without a connection
   */
  async loadNewer(conversationId: string, place: ViewPlace): Promise<boolean> {
    const { list, loader } = this.state;
    await loader.newer(list.of(conversationId).conversation, place.around);
    return this.messages(conversationId, place).hasNewer;
  }

  /** Whether a user is there; undefined while they are not watched, or the client is not connected. */
  presence(userId: string): UserPresence | undefined {
    return this.state.statuses.get(userId);
  }

  /**
   * Watches whether users are there. Who is watched twice is watched until both have ended; of more than 500 the first.
   * @returns a function that ends it
   */
  watch(userIds: readonly string[]): () => void {
    return this.actions.watch(userIds);
  }

  /**
   * Tells when something has changed: once per turn of the event loop, however much it was.
   * @param part `conversations`, `people`, `messages/<conversationId>` or `presence/<userId>`; left out: anything
   * @returns a function that ends it
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
   * Sends a failed message once more, with the same id: it cannot be doubled.
   * @returns undefined when there is no such message
   * @throws CarillonError as `client.send` does
   */
  async sendAgain(clientMsgId: string): Promise<SentPayload | undefined> {
    const message = this.state.unsent.get(clientMsgId);
    return message?.failure === undefined ? undefined : this.actions.send(message.payload);
  }

  /** Throws a failed message away. */
  discard(clientMsgId: string): void {
    if (this.state.unsent.get(clientMsgId)?.failure !== undefined) this.state.discard(clientMsgId);
  }
}
