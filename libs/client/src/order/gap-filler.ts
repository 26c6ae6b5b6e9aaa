/**
 * Fetches missing events, of some conversations at a time.
 *
 * The idea: there is a queue of conversations, and a few are active. An active conversation fetches the first page of its missing
 * events until it misses none. After three attempts without progress, or a refusal, the filler gives the part up; from then on
 * the part is a hole.
 *
 * Edge cases:
 * - `urgent` puts a conversation to the front; active conversations make room after the page that they have asked for.
 * - The connection ended: that is no attempt. Everything stops, and begins again with `online`.
 * - BUSY and similar errors say that the server could not look: for half a minute that is no attempt either. The server process
 *   that has the events may have died and be starting again; a part that the filler gives up meanwhile would be shown late.
 * - The filler tries a part that it gave up again with the next connection, and every minute: a connection may last for days.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, type Lenient, type PulledPayload, type PullPayload } from "@carillon/protocol";
import { ConnectionLost } from "../connection/requests";
import type { SeqRange } from "./timeline";

/** The conversations, as the filler sees them. */
interface Missing {
  /** Returns the first missing part of a conversation; undefined if nothing is missing. */
  missing(conversationId: string): SeqRange | undefined;
  /** Called when a page has come. @returns whether it contained missing events */
  fill(conversationId: string, range: SeqRange, page: Lenient<PulledPayload>): boolean;
  /** Makes the first missing part a hole. */
  giveUp(conversationId: string): void;
  /** Marks all holes as missing again. @returns the conversations with missing parts */
  reopen(): string[];
}

export interface GapFillerOptions extends Missing {
  /** Fetches a page of a conversation over the connection in use. @throws CarillonError, also ConnectionLost and NoAnswer */
  pull(range: PullPayload): Promise<PulledPayload>;
  random?: () => number;
}

const MOST_TRIES = 3;
const MOST_AT_ONCE = 4;
const PAGE = 64;
const BACKOFF = { first: 500, most: 10_000, jitter: "full" } as const;
const REOPEN_MS = 60_000;
const BUSY_MS = 30_000;

/** The outcome of a PULL. `isTry`: whether it counts as an attempt. `retryAfterMs`: the least delay before the next one, ms. */
type Outcome = "progress" | "lost" | "refused" | { isTry: boolean; retryAfterMs: number };

export class GapFiller {
  /** The waiting conversations, in the order of their turn. */
  #waiting: string[] = [];
  readonly #active = new Set<string>();
  /** The waiting conversations at which the app looks. */
  readonly #urgentOnes = new Set<string>();
  #session = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: GapFillerOptions) {
    this.#session.abort();
  }

  /** Called when a connection is open: fetches for the waiting conversations, and tries the holes again. */
  online(): void {
    this.#session.abort();
    this.#session = new AbortController();
    this.#waiting.unshift(...this.#active);
    this.#active.clear();
    this.#reopen();
  }

  /** Called when the client ends. */
  stop(): void {
    this.#session.abort();
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  /** Called when a conversation misses events. */
  want(conversationId: string): void {
    if (this.#active.has(conversationId) || this.#waiting.includes(conversationId)) return;
    this.#waiting.push(conversationId);
    this.#pump();
  }

  /** Puts a conversation to the front if it misses events. */
  urgent(conversationId: string): void {
    if (this.#active.has(conversationId) || this.options.missing(conversationId) === undefined) return;
    this.#waiting = [conversationId, ...this.#waiting.filter((one) => one !== conversationId)];
    this.#urgentOnes.add(conversationId);
    this.#pump();
  }

  #reopen(): void {
    for (const conversationId of this.options.reopen()) this.want(conversationId);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pump();
  }

  #pump(): void {
    const { signal } = this.#session;
    while (!signal.aborted && this.#active.size < MOST_AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#urgentOnes.delete(next);
      this.#active.add(next);
      void this.#work(next, signal).then((outcome) => {
        // If the connection is gone, the conversation stays active, and the next connection takes it over.
        if (signal.aborted || outcome === "lost") return;
        this.#active.delete(next);
        if (outcome === "later") this.#waiting.splice(this.#urgentOnes.size, 0, next);
        this.#pump();
      });
    }
  }

  async #work(conversationId: string, signal: AbortSignal): Promise<"done" | "later" | "lost"> {
    const backoff = new Backoff(BACKOFF, this.options.random);
    let tries = 0;
    let answeredAt = performance.now();
    while (true) {
      const range = this.options.missing(conversationId);
      if (range === undefined) return "done";
      if (tries === 0 && this.#urgentOnes.size > 0) return "later";
      const outcome = await this.#ask(conversationId, range, signal);
      if (signal.aborted || outcome === "lost") return "lost";
      const isBusy = typeof outcome === "object" && !outcome.isTry;
      if (!isBusy) answeredAt = performance.now();
      if (outcome === "progress") {
        tries = 0;
        backoff.reset();
        continue;
      }
      if (!isBusy || performance.now() - answeredAt > BUSY_MS) tries++;
      if (outcome === "refused" || tries === MOST_TRIES) {
        this.options.giveUp(conversationId);
        this.#timer ??= setTimeout(() => this.#reopen(), REOPEN_MS);
        tries = 0;
      } else await sleep(backoff.nextAfter(outcome.retryAfterMs), signal);
    }
  }

  async #ask(conversationId: string, range: SeqRange, signal: AbortSignal): Promise<Outcome> {
    const [fromSeq, toSeq] = range;
    try {
      const page = await this.options.pull({ conversationId, fromSeq, toSeq, limit: PAGE });
      const isFilled = this.options.fill(conversationId, range, page);
      return isFilled ? "progress" : { isTry: true, retryAfterMs: 0 };
    } catch (error) {
      if (error instanceof ConnectionLost || signal.aborted) return "lost";
      if (error instanceof CarillonError && error.retry === "never") return "refused";
      if (error instanceof CarillonError) return { isTry: false, retryAfterMs: error.retryAfterMs ?? 0 };
      return { isTry: true, retryAfterMs: 0 };
    }
  }
}
