/** The methods that an app calls. An engine (`engine.ts`) works behind them. */
import { sleep } from "@carillon/base";
import {
  CarillonError,
  Command,
  type ConversationRow,
  type Event,
  type PulledPayload,
  type PullPayload,
  type SentContentType,
  type SentPayload,
} from "@carillon/protocol";
import type { ClientState } from "./connection/keeper";
import type { Transport } from "./connection/transport";
import type { Core, MakeEngine, SharingStorage } from "./core";
import { Engine } from "./engine";
import { eventStream } from "./events/event-source";
import type { ClientEvents, Listener } from "./events/events";
import { ConversationApi, type ConversationSettings, type Readers } from "./http/conversation-api";
import type { History, PageRange } from "./http/http-api";
import { type ClientOptions, checkOptions } from "./options";
import { Account, Devices, Users } from "./people/account";
import { Friends } from "./people/friends";
import { Groups } from "./people/groups";
import { identityOf } from "./storage/identity";
import { readPages } from "./sync/read-pages";

const RECALL_TRIES = 5;

/** Content of a message: text, or an opaque string of the app with another type; 1-16,384 bytes of UTF-8. */
export type Content =
  | string
  | {
      contentType?: SentContentType;
      content: string;
      /** The id of an earlier attempt: the server stores the message once. Default: a new id. */
      clientMsgId?: string;
    };

/** The target of a message: a user or a group, by id. */
export type Recipient = `u:${string}` | `g:${string}`;

/** The client of one device of one user. */
export class BaseClient<TransportName extends string> {
  /** Friends, requests and blocks. */
  readonly friends: Friends;
  /** Groups and their members. */
  readonly groups: Groups;
  /** The user's own profile, password and preferences. */
  readonly account: Account;
  /** The devices on which the user is logged in. */
  readonly devices: Devices;
  /** Profiles of other users, and the search for users. */
  readonly users: Users;
  /** @internal For other parts of the SDK. */
  readonly core: Core;
  readonly #conversationApi: ConversationApi;

  /**
   * @param transports the transports by name; the first is the default
   * @throws CarillonError BAD_PAYLOAD for options that cannot work
   */
  constructor(options: ClientOptions<TransportName>, transports: Record<TransportName, Transport>) {
    checkOptions(options);
    const { transport = Object.keys(transports)[0] as TransportName, storage } = options;
    const used = typeof transport === "string" ? transports[transport] : transport;
    if (typeof used?.open !== "function") {
      throw new CarillonError(
        "BAD_PAYLOAD",
        `transport: must be ${Object.keys(transports).join(", ")}, or have open()`,
      );
    }
    const makeEngine: MakeEngine = (events) => new Engine(options, used, events);
    const core =
      (storage as Partial<SharingStorage> | undefined)?.share?.(makeEngine, identityOf(options)) ?? makeEngine();
    this.core = core;
    this.#conversationApi = new ConversationApi(core);
    this.friends = new Friends(core);
    this.groups = new Groups(core, () => core.userId);
    this.account = new Account(core);
    this.devices = new Devices(core, () => this.logOut());
    this.users = new Users(core);
  }

  /** The present state of the client. */
  get state(): ClientState {
    return this.core.state;
  }

  /** The user's id; undefined before the first session if the app gave a token. */
  get userId(): string | undefined {
    return this.core.userId;
  }

  /**
   * Connects, and stays connected until `close`. Resolves when the first session is open, however long that takes.
   * @throws CarillonError if the server refuses log-in or session and another attempt cannot succeed, or if the client was closed
   */
  connect(): Promise<void> {
    return this.core.connect();
  }

  /**
   * Takes the connection over from another tab, or from another client with the same `deviceId`; for the state `elsewhere`.
   * @throws CarillonError the same errors as `connect`
   */
  takeOver(): Promise<void> {
    return this.core.takeOver();
  }

  /**
   * Ends the session. Unanswered messages stay in the storage; their promises reject. Resolves when the storage has recorded
   * which events the listeners have finished; then the app may close the storage.
   */
  close(): Promise<void> {
    return this.core.close();
  }

  /**
   * Logs this device out: revokes its session, closes the client, and deletes everything that the client has stored, including
   * unanswered messages.
   * @throws CarillonError UNAVAILABLE if the server could not be told; the client does everything else nevertheless
   */
  logOut(): Promise<void> {
    return this.core.logOut();
  }

  /** Listens to one kind of event. @returns an unsubscribe function */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.core.events.on(name, listener);
  }

  /**
   * Returns all messages from the first iteration on: `for await (const message of client.messages())`. The loop ends when the
   * client is closed. The client acknowledges messages without waiting for the loop. An app that must not lose any message
   * listens to "message" and returns a promise.
   */
  messages(): AsyncGenerator<Event, void> {
    return eventStream<Event>((listener) => this.on("message", listener), this.core.closing);
  }

  /**
   * Sends a message. The client stores and shows it at once. Without a connection the message waits, even until the next start of
   * the app.
   * @param to `u:<userId>` or `g:<groupId>`
   * @returns the message's number in the conversation (`seq`) and its ids, when the server has stored it durably
   * @throws CarillonError of the refusal; UNAVAILABLE after three attempts (5, 10, 20 s) without an answer while the connection
   *   is alive; "failed" then names the id
   */
  async send(to: Recipient, content: Content): Promise<SentPayload> {
    const { contentType = "text", ...rest } = typeof content === "string" ? { content } : content;
    const clientMsgId = rest.clientMsgId ?? (await this.core.newId());
    return this.core.send({ clientMsgId, to, contentType, content: rest.content });
  }

  /**
   * Recalls a message: the user's own within the server's time limit, and as an admin of a group any message. Resolves when the
   * server has accepted the recall; all devices will receive it.
   * @throws CarillonError RECALL_TOO_LATE, RECALL_NOT_ALLOWED, NO_SUCH_MESSAGE; BUSY if it is impossible now
   */
  async recall(conversationId: string, targetSeq: number): Promise<SentPayload> {
    const payload = { clientMsgId: await this.core.newId(), conversationId, targetSeq };
    for (let tries = 1; ; tries++) {
      try {
        return await this.core.ask<SentPayload>(Command.RECALL, payload);
      } catch (error) {
        // The server can recall a message when it is archived, moments after it was sent.
        const isBusy = error instanceof CarillonError && error.name === "BUSY";
        if (!isBusy || tries === RECALL_TRIES) throw error;
        await sleep(error.retryAfterMs ?? 0, this.core.closing);
      }
    }
  }

  /**
   * Marks everything up to `seq` as read. The mark counts on this device at once. The client repeats it until the server has it,
   * even after a restart. Resolves when the server has this mark or a higher one.
   * @throws CarillonError if the server refuses the mark; UNAVAILABLE if the client is closed before
   */
  markRead(conversationId: string, seq: number): Promise<void> {
    return this.core.markRead(conversationId, seq);
  }

  /**
   * Tells others that the user is typing. The app calls it at every key; the client tells the server at most every 3 s, and only
   * while a session is open.
   */
  typing(conversationId: string): void {
    this.core.typing(conversationId);
  }

  /**
   * Names the conversation on the screen (null: none). The client first fetches the events that this device missed there. In a
   * large group, messages then arrive without a fetch.
   */
  focus(conversationId: string | null): Promise<void> {
    return this.core.focus(conversationId);
  }

  /**
   * Starts to report by "presence" whether users are online; the client renews the watch in every session. A user who is watched
   * twice is watched until both watches end. The server accepts 500 users per connection; the client watches the first 500.
   * @returns an unsubscribe function
   */
  watchPresence(userIds: readonly string[]): () => void {
    return this.core.watch(userIds);
  }

  /**
   * Returns messages of a conversation in ascending order: the newest, or those before a number. The client also fetches the
   * events that this device missed in this conversation before the missed events of other conversations; "message" delivers them.
   * @param range `before`: exclusive upper bound; `limit`: 1-200, default 50
   */
  history(conversationId: string, range: { before?: number; limit?: number } = {}): Promise<History> {
    this.core.first(conversationId);
    return this.#conversationApi.history(conversationId, range);
  }

  /** Returns all conversations as the server has them now, newest first. */
  async conversations(): Promise<ConversationRow[]> {
    return (await readPages((payload) => this.core.ask(Command.SYNC, payload))).conversations;
  }

  /**
   * Pins, mutes, hides or clears a conversation (wholly or up to a number) on all devices of the user. Other users notice
   * nothing.
   * @returns the row of the conversation after the change
   * @throws CarillonError NO_SUCH_CONVERSATION
   */
  async conversationSettings(conversationId: string, settings: ConversationSettings): Promise<ConversationRow> {
    const row = await this.#conversationApi.set(conversationId, settings);
    this.core.events.emit("row", row);
    return row;
  }

  /**
   * Returns the users who have read a message, without its sender; in large groups only their number.
   * @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE
   */
  readers(conversationId: string, seq: number, range: PageRange = {}): Promise<Readers> {
    return this.#conversationApi.readers(conversationId, seq, range);
  }

  /** Returns events of a conversation by number, at most 64 of them. */
  pull(range: PullPayload): Promise<PulledPayload> {
    return this.core.pull(range);
  }
}
