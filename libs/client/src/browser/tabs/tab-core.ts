/**
 * The core of a client in one of several tabs that share a storage.
 *
 * The idea: the tab that holds the lock has the engine (connection, outbox, inbox, storage). It passes the engine's events on to
 * the other tabs, and they send it their calls. When it ends, another tab gets the lock, and continues from the stored state.
 * Each tab has its own listeners and its own view; the view of a tab writes while that tab has the engine.
 *
 * Edge cases:
 * - An event that the former tab told and did not acknowledge comes again: each tab shows it once.
 * - Another tab takes the lock by force (`takeOver`): the engine ends, and this tab sends calls as the others do.
 * - No locks (a page that is not secure): each tab has an engine of its own, and the server ends the older one. The older tab
 *   stores the user's messages and marks, and stays `elsewhere` until the app calls `takeOver`.
 */
import { settlesWithin, sleep, uuidv7 } from "@carillon/base";
import {
  CarillonError,
  CloseCode,
  Command,
  type Event,
  limits,
  type PulledPayload,
  type PullPayload,
  type ReadPayload,
  type SendPayload,
  type SentPayload,
  type SyncedPayload,
  type SyncPayload,
  type UserPresence,
} from "@carillon/protocol";
import type { ClientState } from "../../connection/keeper";
import { Refused } from "../../connection/keeper";
import { closedError } from "../../connection/questions";
import { ConnectionLost } from "../../connection/requests";
import { type Calls, type Core, type CoreEvents, Listeners, type MakeEngine, type Tell, untilOnline } from "../../core";
import { PresenceWatches } from "../../presence/presence-watches";
import { ServerClock } from "../../server-clock";
import { claimStorage, type Identity, OthersStorage } from "../../storage/identity";
import type { ClientStorage } from "../../storage/storage";
import { Synchroniser, type SyncKeeper } from "../../sync/synchroniser";
import { Host } from "./host";
import type { Browser, Channel, Locks } from "./platform";
import { type CallName, type Post, unpackValue } from "./platform";
import { Remote } from "./remote";
import { TabLocks, TabMemory } from "./tab-locks";

const ENDING_MS = 2_000;
const AGAIN_MS = 2_000;
const YIELDING_MS = 2_000;

export class TabCore implements Core {
  readonly events: Listeners;
  readonly synchroniser: Core["synchroniser"];
  state: ClientState = { name: "idle" };
  userId: string | undefined;
  readonly #ending = new AbortController();
  readonly #id = uuidv7(Date.now());
  readonly #clock: ServerClock;
  readonly #remote = new Remote(this.#id, (post) => this.#post(post));
  readonly #watches: PresenceWatches;
  readonly #ownSync: Synchroniser;
  #keeper: SyncKeeper | undefined;
  #channel: Channel | undefined;
  /** The host with the engine, if this tab has it. */
  #host: Host | undefined;
  #isKeeper = false;
  #isPresent = false;
  /** Whether another tab has had the storage since this tab first looked at it. */
  #hasFollowed = false;
  #place: () => void = () => {};
  /** Resolves when it is clear whether another tab has the storage. Until then this tab reads nothing from it. */
  readonly #placed = new Promise<void>((resolve) => {
    this.#place = resolve;
  });
  /** The number of sessions of which this tab has heard. */
  #sessions = 0;
  #wantsConnection = false;
  readonly #memory = new TabMemory();
  readonly #lastWorks: (() => Promise<unknown>)[] = [];
  /** Resolves when the last writes are done. */
  #ended: Promise<unknown> | undefined;
  #leaving: Promise<void> | undefined;
  /** Resolves when other tabs may use the storage. */
  #gone: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #onYielded: () => void = () => {};
  /** The locks of this tab; undefined if the page may not use locks. */
  readonly #locks: TabLocks | undefined;

  /** @param name the name of the lock and the channel that these tabs share */
  constructor(
    private readonly name: string,
    private readonly browser: Browser,
    readonly storage: ClientStorage,
    private readonly identity: Identity,
    private readonly makeEngine: MakeEngine,
  ) {
    this.userId = identity.userId;
    this.events = new Listeners(this.closing);
    this.#clock = new ServerClock(storage);
    this.#watches = new PresenceWatches(
      (payload) => this.#request("watch", payload),
      (userId) => this.events.emit("released", [userId]),
    );
    this.#ownSync = new Synchroniser(() => this.#syncOver(this.#sessions), this.closing);
    this.synchroniser = this.#makeSynchroniser();
    this.#locks = this.browser.locks && this.#makeLocks(this.browser.locks);
  }

  get closing(): AbortSignal {
    return this.#ending.signal;
  }

  prepare(): Promise<void> {
    this.#preparing ??= (async () => {
      this.#start();
      await this.#placed;
      const { userId } = await this.#claim();
      this.userId ??= userId;
    })();
    return this.#preparing;
  }

  /** Claims the storage, and tries again if the storage fails: other tabs may be at work, and this tab shows their events. */
  async #claim(): Promise<Identity> {
    while (true) {
      try {
        await this.#clock.restore();
        return await claimStorage(this.storage, this.identity);
      } catch (error) {
        if (error instanceof OthersStorage || this.closing.aborted) throw error;
        this.events.fail(error as Error);
        await sleep(AGAIN_MS, this.closing);
      }
    }
  }

  async connect(): Promise<void> {
    this.#wantsConnection = true;
    if (this.state.name === "idle") this.#changeState({ name: "connecting" });
    await this.#untilOnline();
  }

  async takeOver(): Promise<void> {
    this.#wantsConnection = true;
    this.#start();
    if (this.#host === undefined && this.#locks !== undefined) await this.#seize(this.#locks);
    await this.#untilOnline();
  }

  logOut(): Promise<void> {
    this.#leaving = this.#request("logOut");
    return this.#leaving;
  }

  async newId(): Promise<string> {
    await this.prepare();
    if (this.closing.aborted) throw closedError();
    return uuidv7(this.#clock.now());
  }

  send(message: SendPayload): Promise<SentPayload> {
    return this.#request("send", message);
  }

  call<T>(...request: Parameters<Calls["call"]>): Promise<T> {
    return this.#request("call", ...request);
  }

  ask<T extends object>(command: number, payload: object): Promise<T> {
    return this.#request("ask", command, payload);
  }

  pull(range: PullPayload): Promise<PulledPayload> {
    return this.#request("pull", range);
  }

  markRead(conversationId: string, seq: number): Promise<void> {
    const done = this.#request<void>("markRead", conversationId, seq);
    done.catch(() => {});
    return done;
  }

  typing(conversationId: string): void {
    this.#request("typing", conversationId).catch(() => {});
  }

  focus(conversationId: string | null): Promise<void> {
    return this.#request("focus", conversationId);
  }

  first(conversationId: string): void {
    this.#request("first", conversationId).catch(() => {});
  }

  watch(userIds: readonly string[]): () => void {
    return this.#watches.watch(userIds);
  }

  unsent(): SendPayload[] {
    return this.#memory.unsent;
  }

  unread(): ReadPayload[] {
    return this.#memory.marks;
  }

  keeps(): boolean {
    return this.#isKeeper;
  }

  atEnd(work: () => Promise<unknown>): void {
    this.#lastWorks.push(work);
  }

  async close(): Promise<void> {
    const host = this.#host;
    // This tab posts nothing more to the other tabs: one of them takes the engine over.
    this.#host = undefined;
    host?.leave();
    this.#end({ name: "closed" }, host);
    await this.#gone;
  }

  #request<T>(name: CallName, ...args: unknown[]): Promise<T> {
    if (this.closing.aborted) return Promise.reject(closedError());
    this.#start();
    const done = this.#host?.do(this.#id, name, args) ?? this.#remote.call(name, ...args);
    return done as Promise<T>;
  }

  /** @throws the error with which the client was closed */
  async #untilOnline(): Promise<void> {
    this.#request("connect").catch(() => {
      // The state tells the reason.
    });
    await untilOnline(this, () => true);
  }

  #start(): void {
    if (this.#channel !== undefined) return;
    this.#channel = this.browser.openChannel(this.name);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Post);
    if (this.#locks === undefined) this.#lead();
    else this.#locks.start();
  }

  #makeLocks(locks: Locks): TabLocks {
    return new TabLocks(this.name, this.#id, locks, {
      closing: this.closing,
      onPresent: () => {
        this.#isPresent = true;
        this.#hello();
      },
      onTaken: () => {
        this.#hasFollowed = true;
        this.#place();
      },
      onHeld: () => this.#host === undefined && this.#lead(),
      onLost: () => this.#stepDown(),
    });
  }

  #lead(): void {
    if (this.closing.aborted) return;
    const engine = this.makeEngine(this.#tellOf(() => this.#host?.engine === engine));
    this.#isKeeper = true;
    this.#place();
    const host = new Host(this.#id, engine, {
      state: () => this.state,
      post: (post) => this.#post(post),
      whenGone: (tab, then) => this.#locks?.whenGone(tab, then),
    });
    this.#host = host;
    engine.atEnd(() => this.#ended ?? Promise.resolve());
    engine.synchroniser.keeper = this.#keeper;
    engine.prepare().catch(() => {
      // A later `connect` or `send` rejects with this error.
    });
    this.#post({ kind: "leader", from: this.#id });
    if (this.#hasFollowed) this.events.emit("adopted", undefined);
    this.#remote.moveTo((name, args) => host.do(this.#id, name, args));
    if (this.#wantsConnection) engine.connect().catch(() => {});
  }

  /** Takes the lock by force when the other tab has let go of the storage, or does not answer. */
  async #seize(locks: TabLocks): Promise<void> {
    const yielded = new Promise<void>((resolve) => {
      this.#onYielded = resolve;
    });
    this.#post({ kind: "yield", from: this.#id });
    await settlesWithin(yielded, YIELDING_MS);
    locks.seize();
  }

  /** Ends this tab's engine because another tab has taken the lock, or is about to take it. */
  async #stepDown(): Promise<void> {
    const host = this.#host;
    if (host === undefined || this.closing.aborted) return;
    this.#host = undefined;
    this.#isKeeper = false;
    this.#hasFollowed = true;
    host.leave();
    await host.engine.close();
    this.#hello();
    // The other tab may have read the storage before this tab stored its last messages, and does not know them.
    for (const message of host.engine.unsent()) this.#request("send", message).catch(() => {});
  }

  /** Returns the events of an engine of this tab; they count as long as that engine is the one in use. */
  #tellOf(isInUse: () => boolean): Tell {
    const { events } = this;
    return {
      on: (name, listener) => events.on(name, listener),
      emit: (name, value) => {
        if (!isInUse()) return;
        const told = name === "state" ? (this.#stateOf(value as ClientState) as typeof value) : value;
        this.#host?.tell(name, told);
        this.#take(name, told);
      },
      deliver: (name, value) => {
        // No tab acknowledges this event: the server sends it again.
        if (!isInUse()) return new Promise(() => {});
        const there = this.#host?.deliver(name, value);
        const here = this.#take(name, value);
        return there === undefined ? here : Promise.all([here, there]);
      },
      fail: (error) => events.fail(error),
    };
  }

  #hear(post: Post): void {
    this.#host?.hear(post);
    if (post.kind === "yield") void this.#yieldTo(post.from);
    if (post.kind === "yielded" && post.to === this.#id) this.#onYielded();
    if (this.#host !== undefined) return;
    if (post.kind === "leader") this.#hello();
    if (post.kind === "stands" && post.to === this.#id) this.#follow(post);
    if (post.kind === "answer" && post.to === this.#id) this.#remote.settle(post);
    if (post.kind === "event") void this.#takePosted(post);
  }

  async #yieldTo(to: string): Promise<void> {
    if (this.#host === undefined) return;
    await this.#stepDown();
    this.#post({ kind: "yielded", to });
  }

  #follow({ from, state, userId, unsent, unread }: Post & { kind: "stands" }): void {
    this.userId ??= userId;
    this.#remote.follow(from);
    this.#take("marks", unread);
    this.#take("outbox", unsent);
    const stands = unpackValue(state as ClientState);
    if (this.#wantsConnection && stands.name !== "online") this.#request("connect").catch(() => {});
    if (stands.name === "online") this.#take("session", { watchedUsers: limits.maxWatchedUsers });
    if (stands.name !== "idle" || this.#wantsConnection) this.#take("state", stands);
  }

  async #takePosted({ from, name, value, id }: Post & { kind: "event" }): Promise<void> {
    await this.#take(name, unpackValue(value) as never);
    if (id !== undefined) this.#post({ kind: "done", from: this.#id, to: from, id });
  }

  /**
   * Takes an event of the engine, which may run in this tab or in another. @returns a promise that resolves when the listeners
   * are done with it
   */
  #take<Name extends keyof CoreEvents>(name: Name, value: CoreEvents[Name]): Promise<unknown> | undefined {
    // Each tab keeps its own watches, and knows itself when they end.
    if (name === "released") return undefined;
    this.#memory.note(name, value);
    if (name === "session") this.#beginSession(value as CoreEvents["session"]);
    if (name === "redated") this.#remote.redated(value as CoreEvents["redated"]);
    if (name === "state") return void this.#changeState(value as ClientState);
    if (name === "presence") return void this.#tellPresence(value as UserPresence[]);
    if (name === "resync") return this.events.deliver(name, value);
    if (name === "message" || name === "recall" || name === "system") {
      return this.#memory.once(value as Event, () => this.events.deliver(name, value));
    }
    return void this.events.emit(name, value);
  }

  #beginSession({ watchedUsers }: CoreEvents["session"]): void {
    this.#sessions++;
    this.#watches.online(watchedUsers);
  }

  #tellPresence(users: readonly UserPresence[]): void {
    const watched = users.filter(({ userId }) => this.#watches.isWatched(userId));
    if (watched.length > 0) this.events.emit("presence", watched);
  }

  #changeState(state: ClientState): void {
    if (state.name === "closed") return this.#end(state, this.#host);
    this.state = state;
    this.events.emit("state", state);
  }

  /** Returns the engine's state as the tabs see it: if a tab can repair the end of the engine, the client is not closed. */
  #stateOf(state: ClientState): ClientState {
    const { error } = state as { error?: Error };
    if (state.name !== "closed" || error === undefined) return state;
    if (error instanceof Refused && error.code === CloseCode.REPLACED) {
      // An engine that does not connect stores the user's messages and marks.
      this.#wantsConnection = false;
      this.#lead();
      return { name: "elsewhere" };
    }
    if (error instanceof Refused || error instanceof CarillonError || error instanceof OthersStorage) return state;
    // In all other cases the storage has failed.
    setTimeout(() => this.#host !== undefined && this.#lead(), AGAIN_MS);
    return { name: "waiting", retryInMs: AGAIN_MS, error };
  }

  /** Ends the client for good. The last writes come before the release of the locks. */
  #end(state: ClientState, host: Host | undefined): void {
    if (this.closing.aborted) return;
    this.state = state;
    this.events.emit("state", state);
    this.#ended = Promise.all(this.#lastWorks.map((work) => work()));
    this.#ending.abort();
    this.#watches.stop();
    const { error = closedError() } = state as { error?: Error };
    this.#gone = this.#letGo(error, host);
  }

  async #letGo(error: Error, host: Host | undefined): Promise<void> {
    const all = [this.#ended, this.#remote.end(error), host?.engine.close(), host?.answered, this.#leaving];
    await settlesWithin(Promise.all(all), ENDING_MS);
    this.#locks?.release();
    if (this.#channel !== undefined) this.#channel.onmessage = null;
    this.#channel?.close();
  }

  #syncOver(session: number) {
    if (this.state.name !== "online") throw new ConnectionLost();
    return {
      request: (payload: SyncPayload) => this.ask<SyncedPayload>(Command.SYNC, payload),
      isInUse: () => this.state.name === "online" && this.#sessions === session,
    };
  }

  /**
   * Makes the synchroniser of this tab. The engine runs a SYNC of everything for its inbox; if the engine is in this tab, the
   * same SYNC serves the view.
   */
  #makeSynchroniser(): Core["synchroniser"] {
    const core = this;
    return {
      changes: (isAll) => (core.#host?.engine.synchroniser ?? core.#ownSync).changes(isAll),
      get keeper() {
        return core.#keeper;
      },
      set keeper(keeper) {
        core.#keeper = keeper;
        core.#ownSync.keeper = keeper;
        if (core.#host !== undefined) core.#host.engine.synchroniser.keeper = keeper;
      },
    };
  }

  #hello(): void {
    if (this.#isPresent) this.#post({ kind: "hello", from: this.#id });
  }

  #post(post: Post): void {
    this.#channel?.postMessage(post);
  }
}
