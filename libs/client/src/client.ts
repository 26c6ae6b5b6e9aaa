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
import { Engine } from "./engine";
import { type ClientEvents, eventStream, type Listener } from "./events";
import type { ConversationSettings, Readers } from "./http/conversation-api";
import type { History, PageRange } from "./http/http-api";
import type { ClientOptions } from "./options";
import { Account, Devices, Users } from "./people/account";
import { Friends } from "./people/friends";
import { Groups } from "./people/groups";
import { readPages } from "./sync/read-pages";
import { View } from "./view/view";

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
  private readonly engine: Engine;
  private face: View | undefined;

  /** @param transports by name; the first one is the default */
  constructor(options: ClientOptions<TransportName>, transports: Record<TransportName, Transport>) {
    const { transport = Object.keys(transports)[0] as TransportName } = options;
    this.engine = new Engine(options, typeof transport === "string" ? transports[transport] : transport);
    const { http } = this.engine;
    this.friends = new Friends(http);
    this.groups = new Groups(http, () => this.engine.userId);
    this.account = new Account(http);
    this.devices = new Devices(http, () => this.logOut());
    this.users = new Users(http);
  }

  /** Where the client stands. */
  get state(): ClientState {
    return this.engine.state;
  }

  /** Whose client it is; undefined before the first session, when the app gave a token. */
  get userId(): string | undefined {
    return this.engine.userId;
  }

  /**
   * The local view: conversations, messages, people, presence, to be bound to. It is made when it is asked for first; a
   * client that never asks keeps none. Asked for before `connect`, it shows what is stored at once.
   */
  get view(): View {
    this.face ??= new View(this.engine.view, {
      send: ({ to, ...content }) => this.send(to as Recipient, content),
      watch: (userIds) => this.watchPresence(userIds),
    });
    return this.face;
  }

  /**
   * Connects, and stays connected until `close`.
   * @returns when the first session is open, however long that takes
   * @throws CarillonError when log-in or session are refused for good, or the client was closed
   */
  connect(): Promise<void> {
    return this.engine.connect();
  }

  /**
   * Ends the session. Messages without an answer stay in the storage; their promises reject.
   * @returns when what listeners are done with is in the storage: then it may be closed
   */
  close(): Promise<void> {
    return this.engine.close();
  }

  /**
   * Logs this device out: its session is revoked, the client closes, and what it has stored is deleted, messages without an
   * answer as well.
   * @throws CarillonError UNAVAILABLE when the server could not be told; the rest is done all the same
   */
  logOut(): Promise<void> {
    return this.engine.logOut();
  }

  /** Listens to one kind of event. @returns a function that ends it */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.engine.events.on(name, listener);
  }

  /**
   * All messages from the first look on: `for await (const message of client.messages())`; ends when the client is closed.
   * Acknowledging does not wait for the loop: who must not lose one listens to "message" and returns a promise.
   */
  messages(): AsyncGenerator<Event, void> {
    return eventStream<Event>((listener) => this.on("message", listener), this.engine.closing.signal);
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
    const fresh = await this.engine.newId();
    return this.engine.outbox.add({ clientMsgId: rest.clientMsgId ?? fresh, to, contentType, content: rest.content });
  }

  /**
   * Takes a message back: one's own within the server's window, as an admin of a group any one.
   * @returns when everybody will hear of it
   * @throws CarillonError RECALL_TOO_LATE, RECALL_NOT_ALLOWED, NO_SUCH_MESSAGE; BUSY when it cannot be done now
   */
  async recall(conversationId: string, targetSeq: number): Promise<SentPayload> {
    const payload = { clientMsgId: await this.engine.newId(), conversationId, targetSeq };
    for (let tries = 1; ; tries++) {
      try {
        return await this.engine.questions.ask<SentPayload>(Command.RECALL, payload);
      } catch (error) {
        // A message can be taken back as soon as it is archived, moments after it was sent.
        const isBusy = error instanceof CarillonError && error.name === "BUSY";
        if (!isBusy || tries === RECALL_TRIES) throw error;
        await sleep(error.retryAfterMs ?? 0, this.engine.closing.signal);
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
    return this.engine.marks.move(conversationId, seq);
  }

  /** The user is typing: may be called at every key, is said every 3 s, and is lost when there is no session. */
  typing(conversationId: string): void {
    this.engine.typing.typing(conversationId);
  }

  /**
   * The conversation on the screen, or null. In a large group its messages come without a detour then. What this device
   * missed in it is fetched before all else.
   */
  async focus(conversationId: string | null): Promise<void> {
    this.engine.focused = conversationId;
    if (conversationId !== null) this.engine.inbox.first(conversationId);
    await this.engine.questions.ask(Command.FOCUS, { conversationId });
  }

  /**
   * Begins to tell, by "presence", whether users are there; every new session is told again. Who is watched twice is
   * watched until both have ended; of more than the server takes (500) the first are told.
   * @returns a function that ends it
   */
  watchPresence(userIds: readonly string[]): () => void {
    return this.engine.watches.watch(userIds);
  }

  /**
   * Part of a conversation, ascending: the newest, or those before a number (exclusive); at most 200. What this device
   * missed in the conversation, and shows by "message", is fetched before that of all others.
   */
  history(conversationId: string, range: { before?: number; limit?: number } = {}): Promise<History> {
    this.engine.inbox.first(conversationId);
    return this.engine.conversations.history(conversationId, range);
  }

  /** All conversations, the newest first, as the server has them now. */
  async conversations(): Promise<ConversationRow[]> {
    return (await readPages((payload) => this.engine.questions.ask(Command.SYNC, payload))).conversations;
  }

  /**
   * Pins a conversation, silences it, or clears it, wholly or up to a number: for all devices of the user, and for nobody else.
   * @returns the conversation as it is now
   * @throws CarillonError NO_SUCH_CONVERSATION
   */
  async conversationSettings(conversationId: string, settings: ConversationSettings): Promise<ConversationRow> {
    const row = await this.engine.conversations.set(conversationId, settings);
    this.engine.takeRow(row);
    return row;
  }

  /**
   * Who has read a message.
   * @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE
   */
  readers(conversationId: string, seq: number, range: PageRange = {}): Promise<Readers> {
    return this.engine.conversations.readers(conversationId, seq, range);
  }

  /** Events of a conversation by number, at most 64. */
  pull(range: PullPayload): Promise<PulledPayload> {
    return this.engine.pull(range);
  }
}
