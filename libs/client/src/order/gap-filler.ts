/**
 * Fetches what is missing, some conversations at a time.
 *
 * The idea: a queue of conversations, and a few that are being worked on. A conversation that is worked on asks for
 * the first page of what it misses until it misses nothing. Three tries without progress, or a refusal: the part is
 * given up, and is a hole from then on.
 *
 * Edge cases:
 * - `urgent` puts a conversation to the front; those being worked on make room after the page that they have asked for.
 * - The connection ended: that is no try. Everything stops, and begins again with `online`.
 * - BUSY and the like say that the server could not look: no try either, for half a minute. Whoever could has died,
 *   perhaps, and is started again; what is given up meanwhile would be shown late.
 * - What was given up is tried again with the next connection, and every minute: a connection may last for days.
 */
import { Backoff, sleep } from "@carillon/base";
import { CarillonError, type Lenient, type PulledPayload, type PullPayload } from "@carillon/protocol";
import { ConnectionLost } from "../connection/requests";
import type { SeqRange } from "./timeline";

/** The conversations, as the filler sees them. */
interface Missing {
  /** What a conversation misses first; undefined: nothing. */
  missing(conversationId: string): SeqRange | undefined;
  /** A page has come. @returns whether it brought anything that was missing */
  fill(conversationId: string, range: SeqRange, page: Lenient<PulledPayload>): boolean;
  /** The part that is missing first becomes a hole. */
  giveUp(conversationId: string): void;
  /** Marks all that was given up as missing again. @returns the conversations */
  reopen(): string[];
}

export interface GapFillerOptions extends Missing {
  /** A page of a conversation over the connection in use. @throws CarillonError, also ConnectionLost and NoAnswer */
  pull(range: PullPayload): Promise<PulledPayload>;
  random?: () => number;
}

const MOST_TRIES = 3;
const MOST_AT_ONCE = 4;
const PAGE = 64;
const BACKOFF = { first: 500, most: 10_000, jitter: "full" } as const;
const REOPEN_MS = 60_000;
const BUSY_MS = 30_000;

/** What became of a PULL; when there is something to be asked again, after how long, ms. */
type Outcome = "progress" | "lost" | "refused" | { isTry: boolean; retryAfterMs: number };

export class GapFiller {
  /** In order of their turn. */
  #waiting: string[] = [];
  readonly #active = new Set<string>();
  /** Those among the waiting that somebody looks at. */
  readonly #urgentOnes = new Set<string>();
  #session = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: GapFillerOptions) {
    this.#session.abort();
  }

  /** A connection is open: what waits is asked for over it, what was given up is tried again. */
  online(): void {
    this.#session.abort();
    this.#session = new AbortController();
    this.#waiting.unshift(...this.#active);
    this.#active.clear();
    this.#reopen();
  }

  /** The client ends. */
  stop(): void {
    this.#session.abort();
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  /** This conversation misses something. */
  want(conversationId: string): void {
    if (this.#active.has(conversationId) || this.#waiting.includes(conversationId)) return;
    this.#waiting.push(conversationId);
    this.#pump();
  }

  /** If this conversation misses something, it comes next. */
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
        // With its connection gone it stays among the active ones, which the next connection takes over.
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
