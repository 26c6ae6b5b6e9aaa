/**
 * The engine behind a client: it wires tokens, connection, outbox, inbox and marks. These parts know nothing of each other.
 *
 * A message goes outbox (stored, one at a time per conversation) -> connection in use -> SENT. An event goes connection -> inbox
 * (once, in order) -> "message" -> RECEIVED. A view listens to the same events as the app.
 */
import { settlesWithin, uuidv7 } from "@carillon/base";
import {
  CarillonError,
  Command,
  type ConnectPayload,
  type GatewayAddress,
  limits,
  type PulledPayload,
  type PullPayload,
  parseTarget,
  type ReadPayload,
  type SendPayload,
  type SentPayload,
  type ServerMessage,
  type SyncedPayload,
  type UserPresence,
  utf8Length,
} from "@carillon/protocol";
import type { Found } from "./connection/find-gateway";
import type { ClientState } from "./connection/keeper";
import { Keeper } from "./connection/keeper";
import { listenToPage } from "./connection/network-hints";
import { closedError, Questions, REQUEST_MS } from "./connection/questions";
import type { Transport } from "./connection/transport";
import { type Core, Listeners, type Tell, untilOnline } from "./core";
import { LeftOut } from "./events/left-out";
import { AuthorizedApi } from "./http/authorized";
import { type Api, HttpApi } from "./http/http-api";
import { Tokens } from "./http/tokens";
import { Inbox } from "./inbox/inbox";
import { ReadMarks, TypingPace } from "./marks/marks";
import type { ClientOptions } from "./options";
import { Outbox } from "./outbox/outbox";
import { PresenceWatches } from "./presence/presence-watches";
import { ServerClock } from "./server-clock";
import { claimStorage, identityOf } from "./storage/identity";
import { KeptValues } from "./storage/kept-values";
import { type ClientStorage, MemoryStorage } from "./storage/storage";
import { Synchroniser } from "./sync/synchroniser";

const STORING_MS = 2_000;
const SDK = "carillon-js/0.1.0";

export class Engine implements Core {
  readonly events: Tell;
  readonly storage: ClientStorage;
  readonly synchroniser: Synchroniser;
  state: ClientState = { name: "idle" };
  userId: string | undefined;
  readonly #ending = new AbortController();
  readonly #http: Api;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #marks: ReadMarks;
  readonly #watches: PresenceWatches;
  readonly #pace: TypingPace;
  readonly #questions: Questions;
  /** The conversation on the screen. The engine tells it to every new session. */
  #focused: string | null = null;
  readonly #api: HttpApi;
  readonly #kept: KeptValues;
  readonly #tokens: Tokens;
  readonly #clock: ServerClock;
  readonly #keeper: Keeper;
  readonly #greet: Omit<ConnectPayload, "token" | "inbox">;
  readonly #claim: { deviceId: string; userId?: string };
  #preparing: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  /** Resolves when the writes that `close` has started are done. */
  #stored: Promise<unknown> = Promise.resolve();
  /** The error because of which this client cannot go on, whatever the server says. */
  #failure: Error | undefined;
  readonly #lastWorks: (() => Promise<unknown>)[] = [];
  readonly #leftOut: LeftOut;

  /** @param events receives the events of this engine; default: listeners of its own */
  constructor(options: ClientOptions<string>, transport: Transport, events?: Tell) {
    const { deviceId, platform, credentials, session, token, storage = new MemoryStorage(), sdk = SDK } = options;
    this.events = events ?? new Listeners(this.closing);
    this.storage = storage;
    this.#clock = new ServerClock(storage);
    this.#greet = { deviceId, platform, sdk };
    this.#claim = identityOf(options);
    this.userId = this.#claim.userId;
    const api = new HttpApi(options.api);
    this.#kept = new KeptValues(storage, (error) => this.events.fail(error), this.closing);
    this.#tokens = new Tokens({
      ...{ api, storage, kept: this.#kept, deviceId, platform, credentials, session, token },
      onRenewed: (fresh) => void this.#questions.once(Command.TOKEN, { token: fresh }).catch(() => {}),
      onError: (error) => this.events.fail(error),
    });
    this.#api = api;
    this.#http = new AuthorizedApi(api, this.#tokens);
    this.#leftOut = new LeftOut(this.events);
    this.#keeper = this.#makeKeeper(transport);
    this.#questions = new Questions({
      current: () => this.#keeper.current,
      untilOnline: (patience) => this.#untilOnline(patience),
      closing: this.closing,
    });
    this.synchroniser = new Synchroniser(() => {
      const connection = this.#questions.inUse;
      return {
        request: async (payload) =>
          this.#leftOut.told((await connection.request(Command.SYNC, payload, REQUEST_MS)).payload as SyncedPayload),
        isInUse: () => this.#keeper.current === connection,
      };
    }, this.closing);
    const parts = { storage, kept: this.#kept, questions: this.#questions, events: this.events };
    const { synchroniser } = this;
    this.#outbox = new Outbox({ ...parts, clock: this.#clock });
    this.#inbox = new Inbox({ ...parts, synchroniser, leftOut: this.#leftOut, self: this });
    this.#marks = new ReadMarks({ ...parts, inbox: this.#inbox });
    this.#watches = new PresenceWatches(
      (payload) => this.#questions.once(Command.WATCH_PRESENCE, payload),
      (userId) => this.events.emit("released", [userId]),
    );
    this.#pace = new TypingPace(this.#questions);
  }

  get closing(): AbortSignal {
    return this.#ending.signal;
  }

  /** @throws CarillonError if the server refuses log-in or session for good, or the client was closed */
  async connect(): Promise<void> {
    this.#running ??= this.#run();
    await this.#untilOnline();
  }

  keeps(): boolean {
    return true;
  }

  /** Connects: an engine without tabs has no other tab to take the connection from. */
  takeOver(): Promise<void> {
    return this.connect();
  }

  atEnd(work: () => Promise<unknown>): void {
    this.#lastWorks.push(work);
  }

  async close(): Promise<void> {
    this.#shutDown();
    // The client does not wait longer for a storage that hangs.
    await settlesWithin(Promise.resolve(this.#running), STORING_MS);
    // A listener may close the client, and the last writes wait for that listener: the wait has a limit.
    await settlesWithin(this.#stored, STORING_MS);
    if (this.state.name !== "closed") this.#changeState({ name: "closed" });
  }

  /** Revokes the session and deletes everything that the storage holds, including messages without an answer. */
  async logOut(): Promise<void> {
    const revoked = this.#http.call("DELETE", "/v1/sessions/current").then(
      () => undefined,
      (error: Error) => error,
    );
    // The server cuts off a device whose session is revoked, and the keeper would log in again.
    this.#keeper.stop();
    const failure = await revoked;
    await this.close();
    await Promise.all(this.#lastWorks.map((work) => work()));
    for (const key of await this.storage.keys()) await this.storage.delete(key);
    const isOver = failure === undefined || (failure instanceof CarillonError && failure.retry === "after-auth");
    if (!isOver) throw failure;
  }

  /** Returns an id dated by the server's clock, or by the difference that an earlier run of the app stored. */
  async newId(): Promise<string> {
    await this.prepare();
    this.#mustBeOpen();
    return uuidv7(this.#clock.now());
  }

  async send(message: SendPayload): Promise<SentPayload> {
    checkMessage(message);
    await this.prepare();
    this.#mustBeOpen();
    const sent = await this.#outbox.add(message);
    this.#pace.sent(sent.conversationId);
    return sent;
  }

  async call<T>(...request: Parameters<Api["call"]>): Promise<T> {
    this.#mustBeOpen();
    return this.#http.call<T>(...request);
  }

  async ask<T extends object>(command: number, payload: object): Promise<T> {
    return this.#leftOut.told<T>((await this.#questions.ask(command, payload)) as unknown as T);
  }

  pull(range: PullPayload): Promise<PulledPayload> {
    return this.ask(Command.PULL, range);
  }

  markRead(conversationId: string, seq: number): Promise<void> {
    const marked = this.#move(conversationId, seq);
    // Most apps do not wait for this promise. A mark that the client could not tell before it closed must not crash them.
    marked.catch(() => {});
    return marked;
  }

  async #move(conversationId: string, seq: number): Promise<void> {
    this.#mustBeOpen();
    if (!Number.isSafeInteger(seq)) throw new CarillonError("BAD_PAYLOAD", "seq: must be an integer");
    return this.#marks.move(conversationId, seq);
  }

  typing(conversationId: string): void {
    this.#pace.typing(conversationId);
  }

  async focus(conversationId: string | null): Promise<void> {
    this.#focused = conversationId;
    if (conversationId !== null) this.first(conversationId);
    await this.#questions.ask(Command.FOCUS, { conversationId });
  }

  first(conversationId: string): void {
    this.#inbox.first(conversationId);
  }

  watch(userIds: readonly string[], mustRepeat = false): () => void {
    return this.#watches.watch(userIds, mustRepeat);
  }

  unsent(): SendPayload[] {
    return this.#outbox.payloads;
  }

  unread(): ReadPayload[] {
    return this.#marks.pending;
  }

  #mustBeOpen(): void {
    if (this.closing.aborted) throw closedError();
  }

  #makeKeeper(transport: Transport): Keeper {
    return new Keeper({
      transport: { open: (address, timeoutMs) => transport.open(address, timeoutMs, this.#http) },
      route: () => this.#route(),
      greeting: () => this.#greeting(),
      renewToken: () => this.#tokens.renew(),
      onOpen: (found) => this.#opened(found),
      onMessage: (message) => this.#dispatch(message),
      onState: (state) => this.#changeState(state),
    });
  }

  async #run(): Promise<void> {
    this.#changeState({ name: "connecting" });
    const stopListening = listenToPage({
      onHope: () => this.#keeper.hurry(),
      onLost: () => this.#keeper.networkLost(),
    });
    try {
      this.#api.check();
      await this.prepare();
      await this.#keeper.run();
      if (this.#failure !== undefined) throw this.#failure;
      this.#changeState({ name: "closed" });
    } catch (error) {
      this.#shutDown();
      this.#changeState({ name: "closed", error: error as Error });
    } finally {
      stopListening();
    }
  }

  prepare(): Promise<void> {
    this.#preparing ??= (async () => {
      const { userId } = await claimStorage(this.storage, this.#claim);
      this.userId ??= userId;
      await Promise.all([this.#clock.restore(), this.#inbox.restore(), this.#outbox.restore(), this.#marks.restore()]);
      this.events.emit("outbox", this.unsent());
      this.events.emit("marks", this.unread());
    })();
    return this.#preparing;
  }

  #shutDown(): void {
    if (this.closing.aborted) return;
    this.#ending.abort();
    this.#keeper.stop();
    this.#outbox.stop();
    this.#marks.stop();
    this.#watches.stop();
    this.#stored = Promise.all([this.#inbox.stop(), ...this.#lastWorks.map((work) => work())]);
    this.#tokens.stop();
  }

  async #route(): Promise<GatewayAddress[]> {
    const { gateways } = await this.call<{ gateways?: GatewayAddress[] }>("GET", "/v1/route");
    if (!Array.isArray(gateways)) throw new CarillonError("UNAVAILABLE", "the api names no gateways");
    return gateways;
  }

  async #greeting(): Promise<ConnectPayload> {
    const inbox = this.#inbox.position;
    const token = await this.#tokens.access();
    return { ...this.#greet, token, ...(inbox === undefined ? {} : { inbox }) };
  }

  #opened({ connected }: Found): void {
    const { deviceId } = this.#claim;
    claimStorage(this.storage, { deviceId, userId: connected.userId }).catch((error: Error) => {
      this.#failure = error;
      this.#shutDown();
    });
    this.userId = connected.userId;
    this.#clock.adjust(connected.serverTime);
    this.#inbox.open(connected);
    this.events.emit("session", { watchedUsers: connected.limits.watchedUsers });
    this.#outbox.online();
    this.#marks.online();
    this.#watches.online(connected.limits.watchedUsers);
    if (this.#focused === null) return;
    this.#questions.once(Command.FOCUS, { conversationId: this.#focused }).catch(() => {
      // The engine tells the next session again.
    });
  }

  #dispatch(message: ServerMessage): void {
    const { events } = this;
    switch (message.command) {
      case Command.DELIVER:
        return this.#inbox.deliver(this.#leftOut.told(message.payload));
      case Command.DELIVERED_UPDATE:
        return events.emit("receipt", { kind: "delivered", ...message.payload });
      case Command.READ_UPDATE:
        return events.emit("receipt", { kind: "read", ...message.payload });
      case Command.TYPING:
        return events.emit("typing", message.payload);
      case Command.PRESENCE:
        return this.#tellPresence(message.payload.users);
      case Command.NOTIFY:
        this.#inbox.expect(message.payload.conversationId, message.payload.lastSeq);
        return events.emit("notify", message.payload);
      case Command.PULLED:
        return this.#inbox.take(this.#leftOut.told(message.payload));
      case Command.CHANGED:
        return events.emit("changed", message.payload);
    }
  }

  #tellPresence(users: readonly UserPresence[]): void {
    const watched = users.filter(({ userId }) => this.#watches.isWatched(userId));
    if (watched.length > 0) this.events.emit("presence", watched);
  }

  #changeState(state: ClientState): void {
    this.state = state;
    this.events.emit("state", state);
  }

  /** Resolves when the client is online, or when `patience` is aborted. @throws the error with which the client was closed */
  #untilOnline(patience?: AbortSignal): Promise<void> {
    return untilOnline(this, () => this.#keeper.current !== undefined, patience);
  }
}

/**
 * Refuses a message that the server would refuse as malformed: ten such frames in a minute end a connection for good.
 * @throws CarillonError BAD_PAYLOAD
 */
function checkMessage({ to, content }: SendPayload): void {
  const { maxContentBytes } = limits;
  if (parseTarget(to, "") === undefined)
    throw new CarillonError("BAD_PAYLOAD", "to: must be u:<userId> or g:<groupId>");
  if (typeof content !== "string" || content === "" || utf8Length(content) > maxContentBytes) {
    throw new CarillonError("BAD_PAYLOAD", `content: must be a text of 1 to ${maxContentBytes} bytes`);
  }
}
