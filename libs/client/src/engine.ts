/**
 * What works behind the face of a client: wires tokens, connection, outbox, inbox, marks and view. Each knows nothing of
 * the others.
 *
 * A message goes outbox (kept, one at a time per conversation) -> connection in use -> SENT. An event comes connection ->
 * inbox (once, in order) -> "message" -> RECEIVED. The view listens to what the app listens to.
 */
import { settlesWithin, uuidv7 } from "@carillon/base";
import {
  CarillonError,
  Command,
  type ConnectPayload,
  type ConversationRow,
  type GatewayAddress,
  type Lenient,
  type PulledPayload,
  type PullPayload,
  type SendPayload,
  type SentPayload,
  type ServerMessage,
  type SyncedPayload,
  type UserPresence,
} from "@carillon/protocol";
import type { ClientState } from "./connection/client-state";
import type { Found } from "./connection/find-gateway";
import { Keeper } from "./connection/keeper";
import { listenToPage } from "./connection/network-hints";
import { closedError, Questions, REQUEST_MS } from "./connection/questions";
import type { Transport } from "./connection/transport";
import { type ClientEvents, EventSource, ListenerFailed, reportUncaught, UnreadableEntry } from "./events";
import { AuthorizedApi } from "./http/authorized";
import { ConversationApi } from "./http/conversation-api";
import { HttpApi } from "./http/http-api";
import { Tokens } from "./http/tokens";
import { Inbox } from "./inbox/inbox";
import { ReadMarks } from "./marks/read-marks";
import { TypingPace } from "./marks/typing-pace";
import type { ClientOptions } from "./options";
import { Outbox } from "./outbox/outbox";
import { PresenceWatches } from "./presence/presence-watches";
import { ServerClock } from "./server-clock";
import { claimStorage } from "./storage/identity";
import { type ClientStorage, MemoryStorage } from "./storage/storage";
import { Synchroniser } from "./sync/synchroniser";
import { ViewState } from "./view/view-state";

const STORING_MS = 2_000;
const SDK = "carillon-js/0.1.0";
/** Entries that were left out are remembered up to here, so that each is told once. */
const MOST_LEFT_OUT = 1_000;

export class Engine {
  readonly closing = new AbortController();
  readonly events = new EventSource<ClientEvents>((failure) => this.fail(failure), this.closing.signal);
  readonly http: AuthorizedApi;
  readonly conversations: ConversationApi;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly marks: ReadMarks;
  readonly watches: PresenceWatches;
  readonly typing: TypingPace;
  readonly synchroniser: Synchroniser;
  readonly questions: Questions;
  /** Where the client stands. */
  state: ClientState = { name: "idle" };
  /** Whose client this is; undefined before anybody said so. */
  userId: string | undefined;
  /** The conversation on the screen: every new session is told. */
  focused: string | null = null;
  private readonly api: HttpApi;
  private readonly tokens: Tokens;
  private readonly storage: ClientStorage;
  private readonly clock: ServerClock;
  private readonly keeper: Keeper;
  private readonly greet: Omit<ConnectPayload, "token" | "inbox">;
  private readonly claim: { deviceId: string; userId?: string };
  private preparing: Promise<void> | undefined;
  private running: Promise<void> | undefined;
  /** What `close` leaves to be written. */
  private stored: Promise<unknown> = Promise.resolve();
  /** Why this client cannot go on, whatever the server says. */
  private failure: Error | undefined;
  private shown: ViewState | undefined;
  private readonly leftOut = new Set<string>();

  constructor(
    private readonly options: ClientOptions<string>,
    transport: Transport,
  ) {
    const { deviceId, platform, credentials, session, token, storage = new MemoryStorage(), sdk = SDK } = options;
    const userId = credentials?.userId ?? session?.userId;
    this.storage = storage;
    this.clock = new ServerClock(storage);
    this.greet = { deviceId, platform, sdk };
    this.claim = { deviceId, ...(userId !== undefined && { userId }) };
    this.userId = userId;
    const api = new HttpApi(options.api);
    this.tokens = new Tokens({
      ...{ api, storage, deviceId, platform, credentials, session, token },
      onRenewed: (fresh) => void this.questions.once(Command.TOKEN, { token: fresh }).catch(() => {}),
      onError: (error) => this.fail(error),
    });
    this.api = api;
    this.http = new AuthorizedApi(api, this.tokens);
    this.conversations = new ConversationApi(this.http);
    this.outbox = this.makeOutbox();
    this.inbox = this.makeInbox();
    this.keeper = this.makeKeeper(transport);
    this.questions = new Questions({
      current: () => this.keeper.current,
      untilOnline: (patience) => this.untilOnline(patience),
      closing: this.closing.signal,
    });
    this.marks = new ReadMarks({
      storage,
      transmit: (payload) => this.questions.once(Command.READ, payload),
      onMark: (conversationId, seq) => this.shown?.read(conversationId, seq),
      onError: (error) => this.fail(error),
    });
    this.watches = new PresenceWatches(
      (payload) => this.questions.once(Command.WATCH_PRESENCE, payload),
      (userId) => this.shown?.forgetPresence([userId]),
    );
    this.typing = new TypingPace((conversationId) => {
      this.keeper.current?.send(Command.TYPING, { conversationId });
      return this.keeper.current !== undefined;
    });
    this.synchroniser = new Synchroniser(() => {
      const connection = this.questions.inUse;
      return {
        request: async (payload) =>
          this.readable((await connection.request(Command.SYNC, payload, REQUEST_MS)).payload as SyncedPayload),
        isInUse: () => this.keeper.current === connection,
      };
    }, this.closing.signal);
  }

  /** The view, which is made when somebody asks for it first. */
  get view(): ViewState {
    this.shown ??= this.makeView();
    return this.shown;
  }

  /** @throws CarillonError when log-in or session are refused for good, or the client was closed */
  async connect(): Promise<void> {
    this.running ??= this.run();
    await this.untilOnline();
  }

  async close(): Promise<void> {
    this.shutDown();
    // A storage that hangs is not waited for.
    await settlesWithin(Promise.resolve(this.running), STORING_MS);
    // A listener that closes the client is itself waited for by what is still to be stored.
    await settlesWithin(this.stored, STORING_MS);
    if (this.state.name !== "closed") this.changeState({ name: "closed" });
  }

  /**
   * Ends the session for good, and leaves nothing here: what is stored is deleted, messages without an answer as well.
   * @throws CarillonError UNAVAILABLE when the server was not told, and the session goes on until it ends by itself
   */
  async logOut(): Promise<void> {
    const revoked = this.http.call("DELETE", "/v1/sessions/current").then(
      () => undefined,
      (error: Error) => error,
    );
    // Whose session is revoked is cut off, and would log in again.
    this.keeper.stop();
    const failure = await revoked;
    await this.close();
    await this.shown?.stop();
    for (const key of await this.storage.keys()) await this.storage.delete(key);
    const isOver = failure === undefined || (failure instanceof CarillonError && failure.retry === "after-auth");
    if (!isOver) throw failure;
  }

  /**
   * A new id of a message, dated by the server's clock, or by what an earlier life of this device knew of it.
   * @throws CarillonError UNAVAILABLE when the client is closed; what the storage throws
   */
  async newId(): Promise<string> {
    await this.prepare();
    if (this.closing.signal.aborted) throw closedError();
    return uuidv7(this.clock.now());
  }

  /** The server has told how a conversation stands. */
  takeRow(row: ConversationRow): void {
    this.shown?.takeRow(row);
  }

  async pull(range: PullPayload): Promise<PulledPayload> {
    return this.readable(await this.questions.ask<PulledPayload>(Command.PULL, range));
  }

  private makeOutbox(): Outbox {
    const { events, storage } = this;
    return new Outbox({
      storage,
      transmit: (payload, timeoutMs) => this.questions.once<SentPayload>(Command.SEND, payload, timeoutMs),
      redate: (clientMsgId) => this.clock.redate(clientMsgId),
      onRedated: (from, to) => events.emit("redated", { from, to }),
      onAdded: (payload: SendPayload) => events.emit("sending", payload),
      onSent: (sent) => {
        this.typing.sent(sent.conversationId);
        events.emit("sent", sent);
      },
      onFailed: (message, error) => events.emit("failed", { message, error }),
      onError: (error) => this.fail(error),
    });
  }

  private makeInbox(): Inbox {
    const { events, storage } = this;
    return new Inbox({
      storage,
      show: (event) => events.deliver(event.kind, event),
      userId: () => this.userId,
      received: ({ epoch, seq }) => this.keeper.current?.send(Command.RECEIVED, { epoch, inboxSeq: seq }),
      reconnect: () => this.keeper.current?.close(undefined, "the inbox has a hole"),
      pull: async (range) => this.readable(await this.questions.once<PulledPayload>(Command.PULL, range)),
      listConversations: async () => (await this.synchroniser.all()).conversations,
      onResync: (rows) => events.deliver("resync", rows),
      onGap: (gap) => events.emit("gap", gap),
      onError: (error) => this.fail(error),
    });
  }

  private makeKeeper(transport: Transport): Keeper {
    return new Keeper({
      transport,
      route: () => this.route(),
      greeting: () => this.greeting(),
      renewToken: () => this.tokens.renew(),
      onOpen: (found) => this.opened(found),
      onMessage: (message) => this.dispatch(message),
      onState: (state) => this.changeState(state),
    });
  }

  private makeView(): ViewState {
    const { storage, events, synchroniser, marks } = this;
    const view = new ViewState({
      ...{ storage, synchroniser, bounds: this.options.view ?? {}, claimed: this.prepare() },
      userId: () => this.userId,
      on: (name, listener) => events.on(name, listener),
      pull: (range) => this.pull(range),
      unsent: () => this.outbox.payloads,
      unread: () => marks.pending,
      onError: (error) => this.fail(error),
    });
    if (this.keeper.current !== undefined) view.online();
    return view;
  }

  private async run(): Promise<void> {
    this.changeState({ name: "connecting" });
    const stopListening = listenToPage({
      onHope: () => this.keeper.hurry(),
      onLost: () => this.keeper.networkLost(),
    });
    try {
      this.api.check();
      await this.prepare();
      await this.keeper.run();
      if (this.failure !== undefined) throw this.failure;
      this.changeState({ name: "closed" });
    } catch (error) {
      this.shutDown();
      this.changeState({ name: "closed", error: error as Error });
    } finally {
      stopListening();
    }
  }

  /** Takes over what an earlier life of this device has stored, once. @throws Error when the storage is another's */
  private prepare(): Promise<void> {
    this.preparing ??= (async () => {
      const { userId } = await claimStorage(this.storage, this.claim);
      this.userId ??= userId;
      await Promise.all([this.clock.restore(), this.inbox.restore(), this.outbox.restore(), this.marks.restore()]);
    })();
    return this.preparing;
  }

  private shutDown(): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    this.keeper.stop();
    this.outbox.stop();
    this.marks.stop();
    this.watches.stop();
    this.stored = Promise.all([this.inbox.stop(), this.shown?.stop()]);
    this.tokens.stop();
  }

  private async route(): Promise<GatewayAddress[]> {
    const { gateways } = await this.http.call<{ gateways?: GatewayAddress[] }>("GET", "/v1/route");
    if (!Array.isArray(gateways)) throw new CarillonError("UNAVAILABLE", "the api names no gateways");
    return gateways;
  }

  private async greeting(): Promise<ConnectPayload> {
    const inbox = this.inbox.position;
    const token = await this.tokens.access();
    return { ...this.greet, token, ...(inbox === undefined ? {} : { inbox }) };
  }

  private opened({ connected }: Found): void {
    const { deviceId } = this.claim;
    claimStorage(this.storage, { deviceId, userId: connected.userId }).catch((error: Error) => {
      this.failure = error;
      this.shutDown();
    });
    this.userId = connected.userId;
    this.clock.adjust(connected.serverTime);
    this.inbox.open(connected);
    this.shown?.online();
    this.outbox.online();
    this.marks.online();
    this.watches.online(connected.limits.watchedUsers);
    if (this.focused === null) return;
    this.questions.once(Command.FOCUS, { conversationId: this.focused }).catch(() => {
      // The next session is told again.
    });
  }

  private dispatch(message: ServerMessage): void {
    const { events } = this;
    switch (message.command) {
      case Command.DELIVER:
        return this.inbox.deliver(this.readable(message.payload));
      case Command.DELIVERED_UPDATE:
        return events.emit("receipt", { kind: "delivered", ...message.payload });
      case Command.READ_UPDATE:
        return events.emit("receipt", { kind: "read", ...message.payload });
      case Command.TYPING:
        return events.emit("typing", message.payload);
      case Command.PRESENCE:
        return this.tellPresence(message.payload.users);
      case Command.NOTIFY:
        this.inbox.expect(message.payload.conversationId, message.payload.lastSeq);
        return events.emit("notify", message.payload);
      case Command.PULLED:
        return this.inbox.take(this.readable(message.payload));
      case Command.CHANGED:
        return events.emit("changed", message.payload);
    }
  }

  private tellPresence(users: readonly UserPresence[]): void {
    const watched = users.filter(({ userId }) => this.watches.isWatched(userId));
    if (watched.length > 0) this.events.emit("presence", watched);
  }

  /** Tells the app, once each, of entries that were left out of a payload. */
  private readable<Payload extends object>(payload: Lenient<Payload>): Payload {
    for (const entry of payload.unreadable ?? []) {
      const name = `${entry.list} ${entry.id} ${entry.seq}`;
      if (this.leftOut.has(name)) continue;
      if (this.leftOut.size >= MOST_LEFT_OUT) this.leftOut.clear();
      this.leftOut.add(name);
      this.fail(new UnreadableEntry(entry));
    }
    return payload;
  }

  /** A listener to "error" that fails is not told of that. */
  private fail(error: Error): void {
    const isOfErrors = error instanceof ListenerFailed && error.event === "error";
    if (this.events.has("error") && !isOfErrors) this.events.emit("error", error);
    else reportUncaught(error);
  }

  private changeState(state: ClientState): void {
    this.state = state;
    this.events.emit("state", state);
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
      const stop = this.events.on("state", look);
      patience?.addEventListener("abort", () => {
        stop();
        resolve();
      });
      look(this.state);
    });
  }
}
