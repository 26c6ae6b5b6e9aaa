/**
 * The users whom the app watches. The client counts the watches, so two screens can watch the same user, and tells them to every
 * new session.
 *
 * The server accepts a limited number of users per connection; the watch of a later user waits until the app ends the watch of
 * another. Watches of one turn go in few frames.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, isUserId, limits, type WatchPresencePayload } from "@carillon/protocol";

const MOST_AT_ONCE = limits.maxWatchedUsersPerFrame;
const BACKOFF = { first: 2_000, most: 60_000, jitter: "full" } as const;

export class PresenceWatches {
  /** The number of watches of each user, in the order in which the app first watched them. */
  readonly #counts = new Map<string, number>();
  /** The users whose watches this connection has told the server. */
  #told = new Set<string>();
  /**
   * Users among them whose state the server must send again: the app ended their watch and watches them anew, or asked for a
   * repeat.
   */
  readonly #again = new Set<string>();
  #most = 0;
  #session = new AbortController();
  #isWorking = false;

  /**
   * @param ask sends WATCH_PRESENCE over the connection in use
   * @param onReleased is called when the last watch of a user has ended: from then on the known presence of the user grows old
   */
  constructor(
    private readonly ask: (payload: WatchPresencePayload) => Promise<unknown>,
    private readonly onReleased: (userId: string) => void,
  ) {
    this.#session.abort();
  }

  /**
   * Watches users.
   * @param mustRepeat whether the server must send the present state again, also for users who are already watched
   * @returns an unsubscribe function
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

  /** Returns whether the app watches a user. Presence of other users that is still under way comes too late. */
  isWatched(userId: string): boolean {
    return this.#counts.has(userId);
  }

  /**
   * Called when a session is open, which has no watches yet. @param most the number of users that the server accepts per
   * connection
   */
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
        // The client does not repeat a refused watch over this connection.
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

  /** Returns the next frame. Ended watches go first, because they make room. */
  #next(): WatchPresencePayload | undefined {
    const wanted = new Set([...this.#counts.keys()].slice(0, this.#most));
    const gone = [...this.#told].filter((userId) => !wanted.has(userId)).slice(0, MOST_AT_ONCE);
    if (gone.length > 0) return { userIds: gone, on: false };
    const isFresh = (userId: string) => !this.#told.has(userId) || this.#again.has(userId);
    const fresh = [...wanted].filter(isFresh).slice(0, MOST_AT_ONCE);
    return fresh.length > 0 ? { userIds: fresh, on: true } : undefined;
  }
}
