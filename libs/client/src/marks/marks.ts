/**
 * The user's read marks, on their way to the server.
 *
 * The idea: each conversation has at most one READ under way. The highest mark that arrives meanwhile goes next, and covers the
 * marks between. The storage keeps a mark until the server has it, so the next session, or the next process, sends the marks that
 * the user set offline.
 */
import { sleep } from "@carillon/base";
import { CarillonError, Command, type ReadPayload } from "@carillon/protocol";
import type { Questions } from "../connection/questions";
import { ConnectionLost } from "../connection/requests";
import type { Tell } from "../core";
import type { Inbox } from "../inbox/inbox";
import type { KeptValues } from "../storage/kept-values";
import { type ClientStorage, readAllJson } from "../storage/storage";

export interface ReadMarksOptions {
  storage: ClientStorage;
  kept: KeptValues;
  inbox: Pick<Inbox, "lastSeq">;
  questions: Pick<Questions, "once">;
  /** Emits "marks" when a mark has moved, or the server has accepted or refused one. */
  events: Pick<Tell, "emit">;
}

interface Waiter {
  seq: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The read mark of one conversation. */
interface Mark {
  /** The mark that the user has set. */
  wanted: number;
  /** The mark that the server has. */
  told: number;
  isBusy: boolean;
  waiters: Waiter[];
}

const PREFIX = "read/";
const RETRY_MS = 1_000;

export class ReadMarks {
  readonly #marks = new Map<string, Mark>();
  readonly #stopping = new AbortController();
  /** The number of sessions so far. A READ that was lost with an earlier session goes at once over the session that is open. */
  #sessions = 0;

  constructor(private readonly options: ReadMarksOptions) {}

  /** Marks that the server does not have yet, as far as the client knows. */
  get pending(): ReadPayload[] {
    return [...this.#marks].flatMap(([conversationId, { wanted, told }]) =>
      wanted > told ? [{ conversationId, seq: wanted }] : [],
    );
  }

  /** Restores the marks that an earlier run of the app could not tell the server. */
  async restore(): Promise<void> {
    for (const [key, seq = 0] of await readAllJson<number>(this.options.storage, PREFIX)) {
      const mark = this.#of(key.slice(PREFIX.length));
      mark.wanted = Math.max(mark.wanted, seq);
    }
  }

  /**
   * Moves the mark of a conversation. Resolves when the server has this mark, or a higher one.
   * @throws CarillonError if the server refuses the mark; ConnectionLost if the client is closed before
   */
  move(conversationId: string, seq: number): Promise<void> {
    const mark = this.#of(conversationId);
    if (seq <= mark.told) return Promise.resolve();
    if (seq > mark.wanted) {
      mark.wanted = seq;
      void this.options.kept.set(PREFIX + conversationId, seq);
      this.options.events.emit("marks", this.pending);
    }
    const done = new Promise<void>((resolve, reject) => mark.waiters.push({ seq, resolve, reject }));
    // The app may leave the engine's promise alone; this one must not cause an unhandled rejection either.
    done.catch(() => {});
    void this.#tell(conversationId, mark);
    return done;
  }

  /** Called when a session is open: tells the server the marks that it does not have yet. */
  online(): void {
    this.#sessions++;
    for (const [conversationId, mark] of this.#marks) void this.#tell(conversationId, mark);
  }

  stop(): void {
    this.#stopping.abort();
    for (const { waiters } of this.#marks.values()) {
      for (const { reject } of waiters.splice(0)) reject(new ConnectionLost());
    }
  }

  #of(conversationId: string): Mark {
    const known = this.#marks.get(conversationId);
    if (known !== undefined) return known;
    const mark: Mark = { wanted: 0, told: 0, isBusy: false, waiters: [] };
    this.#marks.set(conversationId, mark);
    return mark;
  }

  async #tell(conversationId: string, mark: Mark): Promise<void> {
    if (mark.isBusy) return;
    mark.isBusy = true;
    while (mark.wanted > mark.told && !this.#stopping.signal.aborted) {
      const seq = mark.wanted;
      const sessions = this.#sessions;
      const outcome = await this.#attempt({ conversationId, seq });
      if (outcome === "lost" && this.#sessions === sessions) break;
      if (outcome === "lost" || outcome === "again") continue;
      await this.#settle(conversationId, mark, seq, outcome);
    }
    mark.isBusy = false;
  }

  async #attempt(payload: ReadPayload): Promise<"told" | "lost" | "again" | Error> {
    try {
      await this.options.questions.once(Command.READ, payload);
      return "told";
    } catch (error) {
      if (error instanceof ConnectionLost) return "lost";
      if (error instanceof CarillonError && error.retry === "never") return error;
      if (!(error instanceof CarillonError)) return error as Error;
      await sleep(error.retryAfterMs ?? RETRY_MS, this.#stopping.signal);
      return "again";
    }
  }

  async #settle(conversationId: string, mark: Mark, seq: number, outcome: "told" | Error): Promise<void> {
    // A mark beyond the last number counts up to the last number: later messages are not read.
    if (outcome === "told") mark.told = Math.min(seq, this.options.inbox.lastSeq(conversationId) || seq);
    // A refused mark is dropped: if the app sets it again, the client tells it again.
    if (mark.wanted === seq) mark.wanted = mark.told;
    this.options.events.emit("marks", this.pending);
    if (mark.wanted <= seq) await this.options.kept.delete(PREFIX + conversationId);
    const settled = mark.waiters.filter((waiter) => waiter.seq <= seq);
    mark.waiters = mark.waiters.filter((waiter) => waiter.seq > seq);
    for (const { resolve, reject } of settled) {
      if (outcome instanceof Error) reject(outcome);
      else resolve();
    }
  }
}

/** The least time between two TYPING of a conversation, ms: a recipient's device shows each for some seconds. */
const LEAST_MS = 3_000;
/** The number of conversations that are remembered; a user types in few. */
const MOST = 100;

export class TypingPace {
  /** The time of the last TYPING by conversation; the earliest is first. */
  readonly #said = new Map<string, number>();

  constructor(private readonly questions: Pick<Questions, "tell">) {}

  /** Called when the user has pressed a key. */
  typing(conversationId: string): void {
    const now = performance.now();
    if (now - (this.#said.get(conversationId) ?? -LEAST_MS) < LEAST_MS) return;
    if (!this.questions.tell(Command.TYPING, { conversationId })) return;
    this.#said.delete(conversationId);
    this.#said.set(conversationId, now);
    const [earliest] = this.#said.keys();
    if (this.#said.size > MOST && earliest !== undefined) this.#said.delete(earliest);
  }

  /** Called when a message was sent: the next key is told at once. */
  sent(conversationId: string): void {
    this.#said.delete(conversationId);
  }
}
