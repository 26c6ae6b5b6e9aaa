/**
 * The side of the tab that has the connection. It passes the events of its engine on to the other tabs, and runs their calls.
 *
 * Edge cases:
 * - The host acknowledges an event that must not be lost when the listeners of all tabs are done with it. It does not wait again
 *   for a tab that is not done in 5 s (frozen, or gone silently) until that tab has answered once more. Posted events are there
 *   when the tab wakes up.
 * - A tab ends: its watches of users end. The lock that each tab holds on its own name shows the end.
 */
import { getOrSet, settlesWithin, uuidv7 } from "@carillon/base";
import type { WatchPresencePayload } from "@carillon/protocol";
import type { ClientState } from "../../connection/keeper";
import type { CoreEvents, SharedEngine } from "../../core";
import { type CallName, type Post, packError, packValue } from "./platform";

const PATIENCE_MS = 5_000;

interface Tab {
  /** The unsubscribe functions of the tab's watches, by user. */
  watches: Map<string, () => void>;
  /** Whether the tab has not answered in time. */
  isAsleep: boolean;
}

export interface HostOptions {
  /** The state of this tab. */
  state(): ClientState;
  post(post: Post): void;
  /** Calls `then` when a tab has ended. */
  whenGone(tab: string, then: () => void): void;
}

export class Host {
  readonly #tabs = new Map<string, Tab>();
  readonly #waiting = new Map<string, () => void>();
  readonly #answering = new Set<Promise<void>>();
  #hasLeft = false;
  #lastId = 0;

  /** A new id each time that a tab gets the connection: other tabs then repeat the calls that have no answer yet. */
  readonly #id = uuidv7(Date.now());

  constructor(
    /** The id of the tab in which the host lives. */
    private readonly tab: string,
    readonly engine: SharedEngine,
    private readonly options: HostOptions,
  ) {}

  /** Resolves when all calls under way are answered. */
  get answered(): Promise<unknown> {
    return Promise.all(this.#answering);
  }

  /** Called when another tab takes the connection over: this host posts no errors for calls that it can no longer serve. */
  leave(): void {
    this.#hasLeft = true;
  }

  hear(post: Post): void {
    if (post.kind === "hello") this.#welcome(post.from);
    if (post.kind === "done" && post.to === this.#id) {
      this.#tabOf(post.from).isAsleep = false;
      this.#waiting.get(`${post.from} ${post.id}`)?.();
    }
    if (post.kind === "call" && post.to === this.#id) {
      const answered = this.#answer(post).finally(() => this.#answering.delete(answered));
      this.#answering.add(answered);
    }
  }

  #welcome(to: string): void {
    const { engine } = this;
    const id = this.#id;
    const { userId } = engine;
    this.#tabOf(to);
    const stands = { userId, state: packValue(this.options.state()), unsent: engine.unsent(), unread: engine.unread() };
    this.options.post({ kind: "stands", from: id, to, ...stands });
  }

  tell<Name extends keyof CoreEvents>(name: Name, value: CoreEvents[Name]): void {
    if (this.#isAlone) return;
    this.options.post({ kind: "event", from: this.#id, name, value: packValue(value) });
  }

  /**
   * @returns a promise that resolves when all tabs that answer at all are done with the event; undefined if there is no such tab
   */
  deliver<Name extends keyof CoreEvents>(name: Name, value: CoreEvents[Name]): Promise<unknown> | undefined {
    const awake = [...this.#tabs].filter(([tab, { isAsleep }]) => tab !== this.tab && !isAsleep);
    if (awake.length === 0) return void this.tell(name, value);
    const id = ++this.#lastId;
    const done = awake.map(([tab]) => this.#untilDone(tab, id));
    this.options.post({ kind: "event", from: this.#id, name, value, id });
    return Promise.all(done);
  }

  /** Runs a call of a tab, be it this tab or another. */
  async do(from: string, name: CallName, args: unknown[]): Promise<unknown> {
    if (name === "watch") return this.#watch(from, args[0] as WatchPresencePayload);
    return (this.engine[name] as (...all: unknown[]) => unknown).apply(this.engine, args);
  }

  /** Begins or ends a tab's watches of users. */
  #watch(from: string, { userIds, on }: WatchPresencePayload): void {
    const { watches } = this.#tabOf(from);
    for (const userId of userIds) {
      watches.get(userId)?.();
      watches.delete(userId);
      // The engine reports a user again for this tab, even if another tab already watches the user.
      if (on) watches.set(userId, this.engine.watch([userId], true));
    }
  }

  /** Whether no other tab would hear a post. */
  get #isAlone(): boolean {
    return this.#tabs.size === (this.#tabs.has(this.tab) ? 1 : 0);
  }

  async #untilDone(tab: string, id: number): Promise<void> {
    const key = `${tab} ${id}`;
    const done = new Promise<void>((resolve) => this.#waiting.set(key, resolve));
    if (!(await settlesWithin(done, PATIENCE_MS))) this.#tabOf(tab).isAsleep = true;
    this.#waiting.delete(key);
  }

  async #answer({ from, id, name, args }: Post & { kind: "call" }): Promise<void> {
    const answer = { kind: "answer", to: from, id } as const;
    try {
      this.options.post({ ...answer, value: await this.do(from, name, args) });
    } catch (error) {
      if (!this.#hasLeft) this.options.post({ ...answer, error: packError(error) });
    }
  }

  #tabOf(id: string): Tab {
    return getOrSet(this.#tabs, id, () => {
      if (id !== this.tab) this.options.whenGone(id, () => this.#forget(id));
      return { watches: new Map(), isAsleep: false };
    });
  }

  #forget(id: string): void {
    for (const end of this.#tabs.get(id)?.watches.values() ?? []) end();
    this.#tabs.delete(id);
    for (const [key, resolve] of this.#waiting) if (key.startsWith(`${id} `)) resolve();
  }
}
