/**
 * Whom the app wants to see: counted, so that two screens can watch the same person, and told to every new session.
 *
 * The server takes so many users of a connection; who comes later waits until one of them is let go of. What is asked for
 * in one turn goes in few frames.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, isUserId, limits, type WatchPresencePayload } from "@carillon/protocol";

const MOST_AT_ONCE = limits.maxWatchedUsersPerFrame;
const BACKOFF = { first: 2_000, most: 60_000, jitter: "full" } as const;

export class PresenceWatches {
  /** How many want to see a user, in the order in which they were first asked for. */
  readonly #counts = new Map<string, number>();
  /** Those that the server was told of over this connection. */
  #told = new Set<string>();
  /** Those among them who were let go of and are watched again: the server repeats how they stand when it is asked. */
  readonly #again = new Set<string>();
  #most = 0;
  #session = new AbortController();
  #isWorking = false;

  /**
   * @param ask sends WATCH_PRESENCE over the connection in use
   * @param onReleased nobody watches this user any more: what is known of them grows old
   */
  constructor(
    private readonly ask: (payload: WatchPresencePayload) => Promise<unknown>,
    private readonly onReleased: (userId: string) => void,
  ) {
    this.#session.abort();
  }

  /**
   * @param mustRepeat the server is to say again how they stand, also of those who are watched already
   * @returns a function that ends it
   */
  watch(userIds: readonly string[], mustRepeat = false): () => void {
    const wanted = [...new Set(userIds)].filter(isUserId);
    for (const userId of wanted) {
      if ((mustRepeat || !this.#counts.has(userId)) && this.#told.has(userId)) this.#again.add(userId);
      this.#counts.set(userId, (this.#counts.get(userId) ?? 0) + 1);
    }
    void this.#work();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      for (const userId of wanted) this.#release(userId);
      void this.#work();
    };
  }

  /** Whether anybody wants to see them. What is on its way of others comes too late. */
  isWatched(userId: string): boolean {
    return this.#counts.has(userId);
  }

  /** A session is open; it knows of nobody. @param most users that the server takes of a connection */
  online(most: number): void {
    this.#session.abort();
    this.#session = new AbortController();
    this.#told = new Set();
    this.#again.clear();
    this.#most = most;
    this.#isWorking = false;
    void this.#work();
  }

  stop(): void {
    this.#session.abort();
  }

  #release(userId: string): void {
    const count = (this.#counts.get(userId) ?? 0) - 1;
    if (count > 0) this.#counts.set(userId, count);
    else if (this.#counts.delete(userId)) this.onReleased(userId);
  }

  async #work(): Promise<void> {
    const { signal } = this.#session;
    if (this.#isWorking || signal.aborted) return;
    this.#isWorking = true;
    await Promise.resolve();
    const backoff = new Backoff(BACKOFF);
    while (!signal.aborted) {
      const next = this.#next();
      if (next === undefined) break;
      try {
        await this.ask(next);
        if (signal.aborted) return;
        this.#note(next);
        backoff.reset();
      } catch (error) {
        // What is refused for good is not asked for again over this connection.
        if (error instanceof CarillonError && error.retry === "never") this.#note(next);
        const retryAfterMs = error instanceof CarillonError ? (error.retryAfterMs ?? 0) : 0;
        await sleep(backoff.nextAfter(retryAfterMs), signal);
      }
    }
    if (!signal.aborted) this.#isWorking = false;
  }

  #note({ userIds, on }: WatchPresencePayload): void {
    for (const userId of userIds) {
      this.#again.delete(userId);
      if (on) this.#told.add(userId);
      else this.#told.delete(userId);
    }
  }

  /** Who is watched no more makes room first. */
  #next(): WatchPresencePayload | undefined {
    const wanted = new Set([...this.#counts.keys()].slice(0, this.#most));
    const gone = [...this.#told].filter((userId) => !wanted.has(userId)).slice(0, MOST_AT_ONCE);
    if (gone.length > 0) return { userIds: gone, on: false };
    const isFresh = (userId: string) => !this.#told.has(userId) || this.#again.has(userId);
    const fresh = [...wanted].filter(isFresh).slice(0, MOST_AT_ONCE);
    return fresh.length > 0 ? { userIds: fresh, on: true } : undefined;
  }
}
