/** The face of the SDK: what an app can ask of its client. What works behind it is the engine. */
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
import type { ClientState } from "./connection/client-state";
import type { Transport } from "./connection/transport";
import type { Core, MakeEngine, SharingStorage } from "./core";
import { Engine } from "./engine";
import { eventStream } from "./events/event-source";
import type { ClientEvents, Listener } from "./events/events";
import { ConversationApi, type ConversationSettings, type Readers } from "./http/conversation-api";
import type { History, PageRange } from "./http/http-api";
import type { ClientOptions } from "./options";
import { Account, Devices, Users } from "./people/account";
import { Friends } from "./people/friends";
import { Groups } from "./people/groups";
import { identityOf } from "./storage/identity";
import { readPages } from "./sync/read-pages";

const RECALL_TRIES = 5;

/** Content of a message: text, or another type with an opaque string of the app. */
export type Content =
  | string
  | {
      contentType?: SentContentType;
      content: string;
      /** Of an earlier try of the same message: it cannot be doubled. */
      clientMsgId?: string;
    };

/** Where a message goes: a user or a group, by id. */
export type Recipient = `u:${string}` | `g:${string}`;

/** A client of one device of one user. */
export class BaseClient<TransportName extends string> {
  /** Friends, requests and blocks. */
  readonly friends: Friends;
  /** Groups and their members. */
  readonly groups: Groups;
  /** The user's own profile and password. */
  readonly account: Account;
  /** Where the user is logged in. */
  readonly devices: Devices;
  /** Profiles of others, and the search for them. */
  readonly users: Users;
  /** @internal What works behind it, for other parts of the SDK. */
  readonly core: Core;
  readonly #conversationApi: ConversationApi;

  /** @param transports by name; the first one is the default */
  constructor(options: ClientOptions<TransportName>, transports: Record<TransportName, Transport>) {
    const { transport = Object.keys(transports)[0] as TransportName, storage } = options;
    const used = typeof transport === "string" ? transports[transport] : transport;
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

  /** Where the client stands. */
  get state(): ClientState {
    return this.core.state;
  }

  /** Whose client it is; undefined before the first session, when the app gave a token. */
  get userId(): string | undefined {
    return this.core.userId;
  }

  /**
   * Connects, and stays connected until `close`.
   * @returns when the first session is open, however long that takes
   * @throws CarillonError when log-in or session are refused for good, or the client was closed
   */
  connect(): Promise<void> {
    return this.core.connect();
  }

  /**
   * Takes the connection over from another tab, or from another client with the same device: for the state `elsewhere`.
   * @throws CarillonError as `connect`
   */
  takeOver(): Promise<void> {
    return this.core.takeOver();
  }

  /**
   * Ends the session. Messages without an answer stay in the storage; their promises reject.
   * @returns when what listeners are done with is in the storage: then it may be closed
   */
  close(): Promise<void> {
    return this.core.close();
  }

  /**
   * Logs this device out: its session is revoked, the client closes, and what it has stored is deleted, messages without an
   * answer as well.
   * @throws CarillonError UNAVAILABLE when the server could not be told; the rest is done all the same
   */
  logOut(): Promise<void> {
    return this.core.logOut();
  }

  /** Listens to one kind of event. @returns a function that ends it */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.core.events.on(name, listener);
  }

  /**
   * All messages from the first look on: `for await (const message of client.messages())`; ends when the client is closed.
   * Acknowledging does not wait for the loop: who must not lose one listens to "message" and returns a promise.
   */
  messages(): AsyncGenerator<Event, void> {
    return eventStream<Event>((listener) => this.on("message", listener), this.core.closing);
  }

  /**
   * Sends a message. It is kept and shown at once, and waits for a connection if there is none, also in the next life.
   * @param to `u:<userId>` or `g:<groupId>`
   * @returns its number in the conversation, once the server has it for good
   * @throws CarillonError the refusal; UNAVAILABLE after three tries that the server, though heard, did not answer ("failed"
   *   tells the id)
   */
  async send(to: Recipient, content: Content): Promise<SentPayload> {
    const { contentType = "text", ...rest } = typeof content === "string" ? { content } : content;
    const clientMsgId = rest.clientMsgId ?? (await this.core.newId());
    return this.core.send({ clientMsgId, to, contentType, content: rest.content });
  }

  /**
   * Takes a message back: one's own within the server's window, as an admin of a group any one.
   * @returns when everybody will hear of it
   * @throws CarillonError RECALL_TOO_LATE, RECALL_NOT_ALLOWED, NO_SUCH_MESSAGE; BUSY when it cannot be done now
   */
  async recall(conversationId: string, targetSeq: number): Promise<SentPayload> {
    const payload = { clientMsgId: await this.core.newId(), conversationId, targetSeq };
    for (let tries = 1; ; tries++) {
      try {
        return await this.core.ask<SentPayload>(Command.RECALL, payload);
      } catch (error) {
        // A message can be taken back as soon as it is archived, moments after it was sent.
        const isBusy = error instanceof CarillonError && error.name === "BUSY";
        if (!isBusy || tries === RECALL_TRIES) throw error;
        await sleep(error.retryAfterMs ?? 0, this.core.closing);
      }
    }
  }

  /**
   * The user has read everything up to `seq`: counts here at once, and is repeated until the server has it, also by the
   * next process.
   * @returns when the server has it, or a higher number
   * @throws CarillonError when it refuses; UNAVAILABLE when the client is closed before
   */
  markRead(conversationId: string, seq: number): Promise<void> {
    return this.core.markRead(conversationId, seq);
  }

  /** The user is typing: may be called at every key, is said every 3 s, and is lost when there is no session. */
  typing(conversationId: string): void {
    this.core.typing(conversationId);
  }

  /**
   * The conversation on the screen, or null. In a large group its messages come without a detour then. What this device
   * missed in it is fetched before all else.
   */
  focus(conversationId: string | null): Promise<void> {
    return this.core.focus(conversationId);
  }

  /**
   * Begins to tell, by "presence", whether users are there; every new session is told again. Who is watched twice is
   * watched until both have ended; of more than the server takes (500) the first are told.
   * @returns a function that ends it
   */
  watchPresence(userIds: readonly string[]): () => void {
    return this.core.watch(userIds);
  }

  /**
   * Part of a conversation, ascending: the newest, or those before a number (exclusive); at most 200. What this device
   * missed in the conversation, and shows by "message", is fetched before that of all others.
   */
  history(conversationId: string, range: { before?: number; limit?: number } = {}): Promise<History> {
    this.core.first(conversationId);
    return this.#conversationApi.history(conversationId, range);
  }

  /** All conversations, the newest first, as the server has them now. */
  async conversations(): Promise<ConversationRow[]> {
    return (await readPages((payload) => this.core.ask(Command.SYNC, payload))).conversations;
  }

  /**
   * Pins a conversation, silences it, or clears it, wholly or up to a number: for all devices of the user, and for nobody else.
   * @returns the conversation as it is now
   * @throws CarillonError NO_SUCH_CONVERSATION
   */
  async conversationSettings(conversationId: string, settings: ConversationSettings): Promise<ConversationRow> {
    const row = await this.#conversationApi.set(conversationId, settings);
    this.core.events.emit("row", row);
    return row;
  }

  /**
   * Who has read a message.
   * @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE
   */
  readers(conversationId: string, seq: number, range: PageRange = {}): Promise<Readers> {
    return this.#conversationApi.readers(conversationId, seq, range);
  }

  /** Events of a conversation by number, at most 64. */
  pull(range: PullPayload): Promise<PulledPayload> {
    return this.core.pull(range);
  }
}
