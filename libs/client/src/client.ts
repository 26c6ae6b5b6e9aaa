/**
 * The client: wires tokens, connection, outbox and inbox. Each knows nothing of the others.
 *
 * A message goes send -> outbox (kept, one at a time per conversation) -> connection in use -> SENT. An event comes
 * connection -> inbox (once, in order) -> "message" -> RECEIVED.
 */
import { settlesWithin, sleep, uuidv7 } from "@carillon/base";
import {
  CarillonError,
  Command,
  type ConnectPayload,
  type ContentType,
  type ConversationRow,
  type Event,
  type PulledPayload,
  type PullPayload,
  type SentPayload,
  type ServerMessage,
} from "@carillon/protocol";
import type { ClientState } from "./connection/client-state";
import type { Found } from "./connection/find-gateway";
import type { GatewayConnection } from "./connection/gateway-connection";
import { Keeper } from "./connection/keeper";
import { ConnectionLost } from "./connection/requests";
import type { Transport } from "./connection/transport";
import { type ClientEvents, EventSource, eventStream, type Listener } from "./events";
import { type History, HttpApi } from "./http/http-api";
import { Tokens } from "./http/tokens";
import { Inbox } from "./inbox/inbox";
import { readConversations } from "./inbox/read-conversations";
import type { ClientOptions } from "./options";
import { Outbox } from "./outbox/outbox";
import { ServerClock } from "./server-clock";
import { claimStorage } from "./storage/identity";
import { type ClientStorage, MemoryStorage } from "./storage/storage";

const REQUEST_MS = 10_000;
const AGAIN_MS = 50;
const RESYNC_RETRY_MS = 2_000;
const STORING_MS = 2_000;
const RECALL_TRIES = 5;
const SDK = "carillon-js/0.1.0";

/** Content of a message: text, or another type with an opaque string of the app. */
export type Content =
  | string
  | {
      contentType?: ContentType;
      content: string;
      /** Of an earlier try of the same message: it cannot be doubled. */
      clientMsgId?: string;
    };

export class BaseClient<TransportName extends string> {
  private readonly events = new EventSource<ClientEvents>();
  private readonly api: HttpApi;
  private readonly tokens: Tokens;
  private readonly storage: ClientStorage;
  private readonly clock = new ServerClock();
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private readonly keeper: Keeper;
  private readonly closing = new AbortController();
  private readonly closed = new Promise<void>((resolve) => {
    this.closing.signal.addEventListener("abort", () => resolve());
  });
  private currentState: ClientState = { name: "idle" };
  private running: Promise<void> | undefined;
  /** What `close` leaves to be written. */
  private stored: Promise<void> = Promise.resolve();
  /** Whose client this is; undefined before the first session. */
  private userId: string | undefined;
  /** The conversation on the screen: every new session is told. */
  private focused: string | null = null;
  /** Why this client cannot go on, whatever the server says. */
  private failure: Error | undefined;

  /** @param transports by name; the first one is the default */
  constructor(
    private readonly options: ClientOptions<TransportName>,
    transports: Record<TransportName, Transport>,
  ) {
    const { api, deviceId, platform, credentials, token, storage = new MemoryStorage() } = options;
    this.storage = storage;
    const { transport = Object.keys(transports)[0] as TransportName } = options;
    this.api = new HttpApi(api);
    this.tokens = new Tokens({
      ...{ api: this.api, storage, deviceId, platform, credentials, token },
      onRenewed: (fresh) =>
        void this.keeper.current?.request(Command.TOKEN, { token: fresh }, REQUEST_MS).catch(() => {}),
    });
    this.outbox = new Outbox({
      storage,
      transmit: async (payload, timeoutMs) => {
        const answer = await this.inUse().request(Command.SEND, payload, timeoutMs);
        return answer.payload as SentPayload;
      },
      onSent: (sent) => void this.events.emit("sent", sent),
      onFailed: (message, error) => void this.events.emit("failed", { message, error }),
      onError: (error) => void this.events.emit("error", error),
    });
    this.inbox = new Inbox({
      storage,
      show: (event) => this.events.emit(event.kind, event),
      userId: () => this.userId,
      received: ({ epoch, seq }) => this.keeper.current?.send(Command.RECEIVED, { epoch, inboxSeq: seq }),
      reconnect: () => this.keeper.current?.close(undefined, "the inbox has a hole"),
      pull: async (range) => (await this.inUse().request(Command.PULL, range, REQUEST_MS)).payload as PulledPayload,
      listConversations: () => this.listConversations(),
      onResync: (rows) => this.events.emit("resync", rows),
      onGap: (gap) => void this.events.emit("gap", gap),
      onError: (error) => void this.events.emit("error", error),
    });
    this.keeper = new Keeper({
      transport: typeof transport === "string" ? transports[transport] : transport,
      route: () => this.authorized((access) => this.api.route(access)),
      greeting: () => this.greeting(),
      renewToken: () => this.tokens.renew(),
      onOpen: (found) => this.opened(found),
      onMessage: (message) => this.dispatch(message),
      onState: (state) => this.changeState(state),
    });
  }

  /** Where the client stands. */
  get state(): ClientState {
    return this.currentState;
  }

  /**
   * Connects, and stays connected until `close`.
   * @returns when the first session is open, however long that takes
   * @throws CarillonError when log-in or session are refused for good, or the client was closed
   */
  async connect(): Promise<void> {
    this.running ??= this.run();
    await this.untilOnline();
  }

  /**
   * Ends the session. Messages without an answer stay in the storage; their promises reject.
   * @returns when what listeners are done with is in the storage: then it may be closed
   */
  async close(): Promise<void> {
    this.shutDown();
    await this.running;
    // A listener that closes the client is itself waited for by what is still to be stored.
    await settlesWithin(this.stored, STORING_MS);
    if (this.currentState.name !== "closed") this.changeState({ name: "closed" });
  }

  /** Listens to one kind of event. @returns a function that ends it */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.events.on(name, listener);
  }

  /** All messages from now on: `for await (const message of client.messages())`; ends when the client is closed. */
  messages(): AsyncGenerator<Event, void> {
    return eventStream<Event>((listener) => this.on("message", listener), this.closing.signal);
  }

  /**
   * Sends a message; offline it waits.
   * @param to `u:<userId>` or `g:<groupId>`
   * @returns its number in the conversation, once the server has it for good
   * @throws CarillonError the refusal; UNAVAILABLE after three tries without an answer ("failed" tells the id)
   */
  async send(to: string, content: Content): Promise<SentPayload> {
    const { contentType = "text", ...rest } = typeof content === "string" ? { content } : content;
    // Ids are dated by the server's clock, so the first one waits for it.
    if (!this.clock.isKnown) await Promise.race([this.clock.known(), this.closed]);
    if (this.closing.signal.aborted) throw closedError();
    const clientMsgId = rest.clientMsgId ?? uuidv7(this.clock.now());
    return this.outbox.add({ clientMsgId, to, contentType, content: rest.content });
  }

  /**
   * Takes a message back: one's own within the server's window, as an admin of a group any one.
   * @returns when everybody will hear of it
   * @throws CarillonError RECALL_TOO_LATE, RECALL_NOT_ALLOWED, NO_SUCH_MESSAGE; BUSY when it cannot be done now
   */
  async recall(conversationId: string, targetSeq: number): Promise<SentPayload> {
    const clientMsgId = uuidv7(this.clock.now());
    const payload = { clientMsgId, conversationId, targetSeq };
    for (let tries = 1; ; tries++) {
      try {
        return (await this.request(Command.RECALL, payload)).payload as SentPayload;
      } catch (error) {
        // A message can be taken back as soon as it is archived, moments after it was sent.
        const isBusy = error instanceof CarillonError && error.name === "BUSY";
        if (!isBusy || tries === RECALL_TRIES) throw error;
        await sleep(error.retryAfterMs ?? 0, this.closing.signal);
      }
    }
  }

  /** The user has read everything up to `seq`. */
  async markRead(conversationId: string, seq: number): Promise<void> {
    await this.request(Command.READ, { conversationId, seq });
  }

  /** The user is typing: a hint, which is lost when there is no session. */
  typing(conversationId: string): void {
    this.keeper.current?.send(Command.TYPING, { conversationId });
  }

  /**
   * The conversation on the screen, or null. In a large group its messages come without a detour then. What this device missed in it is fetched before all else.
   */
  async focus(conversationId: string | null): Promise<void> {
    this.focused = conversationId;
    if (conversationId !== null) this.inbox.first(conversationId);
    await this.request(Command.FOCUS, { conversationId });
  }

  /** Begins (or ends) to tell the presence of users, at most 64 a call. */
  async watchPresence(userIds: string[], on = true): Promise<void> {
    await this.request(Command.WATCH_PRESENCE, { userIds, on });
  }

  /**
   * Part of a conversation, ascending: the newest, or those before a number (exclusive); at most 200. What this device
   * missed in the conversation, and shows by "message", is fetched before that of all others.
   */
  history(conversationId: string, range: { before?: number; limit?: number } = {}): Promise<History> {
    this.inbox.first(conversationId);
    return this.authorized((access) => this.api.history(access, conversationId, range));
  }

  /** All conversations, the newest first. */
  conversations(): Promise<ConversationRow[]> {
    return readConversations((command, payload) => this.request(command, payload));
  }

  /** Events of a conversation by number, at most 64. */
  async pull(range: PullPayload): Promise<PulledPayload> {
    return (await this.request(Command.PULL, range)).payload as PulledPayload;
  }

  private async run(): Promise<void> {
    this.changeState({ name: "connecting" });
    const { deviceId, credentials } = this.options;
    try {
      await claimStorage(this.storage, { deviceId, ...(credentials && { userId: credentials.userId }) });
      await Promise.all([this.inbox.restore(), this.outbox.restore()]);
      await this.keeper.run();
      if (this.failure !== undefined) throw this.failure;
      this.changeState({ name: "closed" });
    } catch (error) {
      this.shutDown();
      this.changeState({ name: "closed", error: error as Error });
    }
  }

  private shutDown(): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    this.keeper.stop();
    this.outbox.stop();
    this.stored = this.inbox.stop();
    this.tokens.stop();
  }

  private async greeting(): Promise<ConnectPayload> {
    const { deviceId, platform, sdk = SDK } = this.options;
    const inbox = this.inbox.position;
    const token = await this.tokens.access();
    return { token, deviceId, platform, sdk, ...(inbox === undefined ? {} : { inbox }) };
  }

  private opened({ connected }: Found): void {
    const { deviceId } = this.options;
    claimStorage(this.storage, { deviceId, userId: connected.userId }).catch((error: Error) => {
      this.failure = error;
      this.shutDown();
    });
    this.userId = connected.userId;
    this.clock.adjust(connected.serverTime);
    this.inbox.open(connected);
    this.outbox.online();
    const { focused, keeper } = this;
    if (focused !== null) {
      keeper.current?.request(Command.FOCUS, { conversationId: focused }, REQUEST_MS).catch(() => {
        // The next session is told again.
      });
    }
  }

  private dispatch(message: ServerMessage): void {
    const { events } = this;
    switch (message.command) {
      case Command.DELIVER:
        return this.inbox.deliver(message.payload);
      case Command.DELIVERED_UPDATE:
        return void events.emit("receipt", { kind: "delivered", ...message.payload });
      case Command.READ_UPDATE:
        return void events.emit("receipt", { kind: "read", ...message.payload });
      case Command.TYPING:
        return void events.emit("typing", message.payload);
      case Command.PRESENCE:
        return void events.emit("presence", message.payload.users);
      case Command.NOTIFY:
        this.inbox.expect(message.payload.conversationId, message.payload.lastSeq);
        return void events.emit("notify", message.payload);
      case Command.PULLED:
        return this.inbox.take(message.payload);
      case Command.CHANGED:
        return void events.emit("changed", message.payload);
    }
  }

  /** Tries until the connection that asked for it is gone. */
  private async listConversations(): Promise<ConversationRow[]> {
    const connection = this.inUse();
    while (true) {
      try {
        return await readConversations((command, payload) => connection.request(command, payload, REQUEST_MS));
      } catch (error) {
        if (error instanceof ConnectionLost || this.keeper.current !== connection) throw error;
        await sleep(RESYNC_RETRY_MS, this.closing.signal);
      }
    }
  }

  /** With a fresh token when the one we had is refused. */
  private async authorized<T>(call: (token: string) => Promise<T>): Promise<T> {
    try {
      return await call(await this.tokens.access());
    } catch (error) {
      if (!(error instanceof CarillonError) || error.retry !== "after-auth") throw error;
      return call(await this.tokens.renew());
    }
  }

  /**
   * A request over the connection in use; waits some seconds for one. When that ends before the answer, the request goes
   * over the next one: it must do no harm when it comes twice.
   */
  private async request(command: number, payload: object): Promise<ServerMessage> {
    const waiting = AbortSignal.timeout(REQUEST_MS);
    while (true) {
      while (this.keeper.current === undefined) {
        if (waiting.aborted) throw new CarillonError("UNAVAILABLE", "not connected");
        await this.untilOnline(waiting);
      }
      try {
        return await this.keeper.current.request(command, payload, REQUEST_MS);
      } catch (error) {
        if (!(error instanceof ConnectionLost) || waiting.aborted) throw error;
        await sleep(AGAIN_MS, this.closing.signal);
        if (this.closing.signal.aborted) throw closedError();
      }
    }
  }

  private inUse(): GatewayConnection {
    if (this.keeper.current === undefined) throw new ConnectionLost();
    return this.keeper.current;
  }

  private changeState(state: ClientState): void {
    this.currentState = state;
    void this.events.emit("state", state);
  }

  /** Resolves when online, or when `patience` is over. @throws the error with which the client was closed */
  private untilOnline(patience?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (state: ClientState) => {
        if (state.name === "closed") reject(state.error ?? closedError());
        else if (state.name === "online" && this.keeper.current !== undefined) resolve();
        else return;
        stop();
      };
      const stop = this.on("state", look);
      patience?.addEventListener("abort", () => {
        stop();
        resolve();
      });
      look(this.currentState);
    });
  }
}

function closedError(): CarillonError {
  return new CarillonError("UNAVAILABLE", "the client is closed");
}
