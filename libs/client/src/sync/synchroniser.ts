/**
 * All SYNCs of a client: one at a time, for all callers.
 *
 * The idea: a SYNC serves a caller if it begins after the call, so all callers during a SYNC share the next one. The inbox asks
 * for everything if replay cannot show the missed events; the view asks for changes. If both ask, one SYNC of everything serves
 * both.
 *
 * Edge cases:
 * - The connection ends: the calls of all waiting callers reject. At the next connection they ask again.
 * - The server answers "later" (BUSY, RATE_LIMITED), or not at all, while the connection lasts: the client asks for the same page
 *   again, after the time that the server named and a growing random delay. After any other ERROR it begins with the first page.
 * - A keeper is set during a SYNC: it hears nothing of that SYNC, because it has missed the first pages.
 * - The keeper fails: it hears no more of this SYNC, and the inbox gets its answer all the same.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import { ConnectionLost } from "../connection/requests";
import { reportUncaught } from "../events/event-source";
import { readPages, type Synced, type SyncSince } from "./read-pages";

/** The part of a connection that SYNC needs. */
export interface SyncConnection {
  /** Fetches one page. @throws CarillonError, also ConnectionLost and NoAnswer */
  request(payload: SyncPayload): Promise<SyncedPayload>;
  /** Returns whether the connection is still the one in use. */
  isInUse(): boolean;
}

/** The receiver of SYNC's results, such as a view. */
export interface SyncKeeper {
  /** Called when a SYNC begins. @returns the versions and the time from which on the keeper wants changes */
  begin(): SyncSince;
  /** Called when a page has come; there may be more pages, and they may be lost. */
  takePage(page: SyncedPayload): void;
  /**
   * Called when all pages have come. @param isAll whether the client asked for everything: rows that are absent then no longer
   * exist
   */
  take(synced: Synced, isAll: boolean): void;
}

interface Job {
  isAll: boolean;
  /** Whether the inbox waits for the result. */
  isUrgent: boolean;
  done: Promise<Synced>;
  resolve(synced: Synced): void;
  reject(error: unknown): void;
}

const RETRY = { first: 500, most: 10_000, jitter: "full" } as const;
/**
 * The pause between two SYNCs, ms: when a crowd joins a group, each device of its members runs SYNC now and then, not at each
 * join.
 */
const PAUSE = { first: 200, most: 3_000 } as const;

export class Synchroniser {
  /** The receiver of the results; undefined at first. */
  keeper: SyncKeeper | undefined;
  #next: Job | undefined;
  #isRunning = false;
  /** Ends the pause when it is aborted. */
  #hurry = new AbortController();

  /**
   * @param connect returns the connection in use; throws ConnectionLost if there is none
   * @param stopping is aborted when the client is closed
   */
  constructor(
    private readonly connect: () => SyncConnection,
    private readonly stopping: AbortSignal,
  ) {
    stopping.addEventListener("abort", () => this.#hurry.abort());
  }

  /** Reads everything. @throws ConnectionLost if the connection ended before the last page */
  all(): Promise<Synced> {
    const done = this.#want(true, true);
    this.#hurry.abort();
    return done;
  }

  /** Asks for changes on behalf of the keeper. Without a connection it does nothing. */
  changes(isAll = false): void {
    this.#want(isAll).catch(() => {
      // At the next connection the client asks again.
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
    // Calls of the same turn share a SYNC.
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

  /** Fetches one page. It repeats the request until the page comes, or the server refuses it with another error than "later". */
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

/**
 * The keeper during one SYNC: errors that it throws are reported as uncaught, like errors of listeners, and do not stop the SYNC.
 */
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
      // The keeper has lost this page: the next SYNC must not continue from this one.
      this.keeper = undefined;
      reportUncaught(error);
      return undefined;
    }
  }
}

function newJob(): Job {
  const job = { isAll: false, isUrgent: false } as Job;
  job.done = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
  // A caller handles the rejection; a job without a caller must not cause an unhandled one.
  job.done.catch(() => {});
  return job;
}
