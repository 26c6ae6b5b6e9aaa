/**
 * All SYNCs of a client: one at a time, asked by whoever needs one.
 *
 * The idea: an asker is served by a SYNC that begins after the question, so all who ask while one is under way share the
 * next. The inbox asks for everything when it cannot be told by replay what was missed; the view asks for what has
 * changed. When both ask, one SYNC of everything serves both.
 *
 * Edge cases:
 * - The connection ends: all who wait are told. The next connection makes them ask again.
 * - An answer that says later (BUSY, RATE_LIMITED), or none, while the connection lasts: the same page is asked for
 *   again, after the time that the server named and a growing random one. Any other ERROR: from the first page.
 * - A keeper is set while a SYNC is under way: it is not told of that SYNC, whose first pages it would miss.
 * - The keeper fails: it is told no more of this SYNC, and the inbox gets its answer all the same.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import { ConnectionLost } from "../connection/requests";
import { reportUncaught } from "../events/event-source";
import { readPages, type Synced, type SyncSince } from "./read-pages";

/** A connection, as far as SYNC needs it. */
export interface SyncConnection {
  /** One page. @throws CarillonError, also ConnectionLost and NoAnswer */
  request(payload: SyncPayload): Promise<SyncedPayload>;
  /** Whether it is still the one in use. */
  isInUse(): boolean;
}

/** Whoever keeps what SYNC tells. */
export interface SyncKeeper {
  /** From where on it wants to be told. A SYNC begins now. */
  begin(): SyncSince;
  /** A page has come; there may be more, and they may be lost. */
  takePage(page: SyncedPayload): void;
  /** All pages have come. @param isAll whether everything was asked for: what was not told is not there */
  take(synced: Synced, isAll: boolean): void;
}

interface Job {
  isAll: boolean;
  /** The inbox waits for it. */
  isUrgent: boolean;
  done: Promise<Synced>;
  resolve(synced: Synced): void;
  reject(error: unknown): void;
}

const RETRY = { first: 500, most: 10_000, jitter: "full" } as const;
/** Time between two SYNCs: where a crowd comes to a group, each of its devices asks now and then, not at every one. */
const PAUSE = { first: 200, most: 3_000 } as const;

export class Synchroniser {
  /** Whoever keeps what is told; nobody at first. */
  keeper: SyncKeeper | undefined;
  #next: Job | undefined;
  #isRunning = false;
  /** Ends the pause. */
  #hurry = new AbortController();

  /**
   * @param connect the connection in use; throws ConnectionLost when there is none
   * @param stopping aborted when the client is closed
   */
  constructor(
    private readonly connect: () => SyncConnection,
    private readonly stopping: AbortSignal,
  ) {
    stopping.addEventListener("abort", () => this.#hurry.abort());
  }

  /** Everything there is. @throws ConnectionLost when the connection ended before the last page */
  all(): Promise<Synced> {
    const done = this.#want(true, true);
    this.#hurry.abort();
    return done;
  }

  /** Asks for what has changed, for the keeper. Without a connection nothing happens. */
  changes(isAll = false): void {
    this.#want(isAll).catch(() => {
      // The next connection asks again.
    });
  }

  #want(isAll: boolean, isUrgent = false): Promise<Synced> {
    this.#next ??= newJob();
    this.#next.isAll ||= isAll;
    this.#next.isUrgent ||= isUrgent;
    const { done } = this.#next;
    if (!this.#isRunning) void this.#run();
    return done;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Who asks in the same turn is served together.
    await Promise.resolve();
    const pace = new Backoff(PAUSE);
    while (this.#next !== undefined) {
      const job = this.#next;
      this.#next = undefined;
      try {
        job.resolve(await this.#read(job.isAll));
      } catch (error) {
        job.reject(error);
      }
      await this.#pause(pace.next());
    }
    this.#isRunning = false;
  }

  async #pause(ms: number): Promise<void> {
    if (this.stopping.aborted || this.#next?.isUrgent === true) return;
    this.#hurry = new AbortController();
    await sleep(ms, this.#hurry.signal);
  }

  async #read(wantsAll: boolean): Promise<Synced> {
    const connection = this.connect();
    const backoff = new Backoff(RETRY);
    while (true) {
      const keeper = new CarefulKeeper(this.keeper);
      try {
        const known = keeper.begin();
        const since = wantsAll ? {} : known;
        const synced = await readPages(
          (payload) => this.#page(connection, payload, backoff),
          since,
          (page) => keeper.takePage(page),
        );
        keeper.take(synced, Object.keys(since).length === 0);
        return synced;
      } catch (error) {
        if (error instanceof ConnectionLost || !connection.isInUse()) throw error;
        await sleep(backoff.next(), this.stopping);
      }
    }
  }

  /** One page, asked for until it comes, or is refused for another reason than that it cannot be made now. */
  async #page(connection: SyncConnection, payload: SyncPayload, backoff: Backoff): Promise<SyncedPayload> {
    while (true) {
      try {
        const page = await connection.request(payload);
        backoff.reset();
        return page;
      } catch (error) {
        const isLater = error instanceof CarillonError && error.retry === "later";
        if (!isLater || !connection.isInUse()) throw error;
        await sleep(backoff.nextAfter(error.retryAfterMs ?? 0), this.stopping);
        if (this.stopping.aborted) throw error;
      }
    }
  }
}

/** The keeper during one SYNC: what it throws is reported as uncaught, like what listeners throw, and stops nobody. */
class CarefulKeeper implements SyncKeeper {
  constructor(private keeper: SyncKeeper | undefined) {}

  begin(): SyncSince {
    return this.#attempt((keeper) => keeper.begin()) ?? {};
  }

  takePage(page: SyncedPayload): void {
    this.#attempt((keeper) => keeper.takePage(page));
  }

  take(synced: Synced, isAll: boolean): void {
    this.#attempt((keeper) => keeper.take(synced, isAll));
  }

  #attempt<T>(tell: (keeper: SyncKeeper) => T): T | undefined {
    try {
      return this.keeper && tell(this.keeper);
    } catch (error) {
      // A page that the keeper could not take is lost to it: the next SYNC must not go on from this one.
      this.keeper = undefined;
      reportUncaught(error);
      return undefined;
    }
  }
}

function newJob(): Job {
  const job = { isAll: false, isUrgent: false } as Job;
  job.done = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
  // Whoever asked looks at it; nobody may have to.
  job.done.catch(() => {});
  return job;
}
