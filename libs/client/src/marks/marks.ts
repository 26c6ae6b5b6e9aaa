/**
 * How far the user has read, on its way to the server.
 *
 * The idea: one READ of a conversation under way at a time; the highest number that came meanwhile goes next, those
 * between are told by it. A mark is stored until the server has it, so that what was read offline is told by the next
 * session, and by the next process.
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
  /** Tells "marks" when a mark has moved, or the server has one. */
  events: Pick<Tell, "emit">;
}

interface Waiter {
  seq: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The mark of a conversation. */
interface Mark {
  /** To be told. */
  wanted: number;
  /** What the server has. */
  told: number;
  isBusy: boolean;
  waiters: Waiter[];
}

const PREFIX = "read/";
const RETRY_MS = 1_000;

export class ReadMarks {
  readonly #marks = new Map<string, Mark>();
  readonly #stopping = new AbortController();
  /** Sessions up to now: what was lost with an earlier one is told at once over the one that is open. */
  #sessions = 0;

  constructor(private readonly options: ReadMarksOptions) {}

  /** Marks that the server does not have yet, as far as is known. */
  get pending(): ReadPayload[] {
    return [...this.#marks].flatMap(([conversationId, { wanted, told }]) =>
      wanted > told ? [{ conversationId, seq: wanted }] : [],
    );
  }

  /** Takes over what an earlier life of this device could not tell. */
  async restore(): Promise<void> {
    for (const [key, seq = 0] of await readAllJson<number>(this.options.storage, PREFIX)) {
      const mark = this.#of(key.slice(PREFIX.length));
      mark.wanted = Math.max(mark.wanted, seq);
    }
  }

  /**
   * @returns when the server has the mark, or a higher one
   * @throws CarillonError when it refuses; UNAVAILABLE when the client is closed before
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
    // The engine's promise is the one that an app may leave alone.
    done.catch(() => {});
    void this.#tell(conversationId, mark);
    return done;
  }

  /** A session is open: what could not be told is told now. */
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
    // A mark beyond the last number counts up to there: what is said later is not read.
    if (outcome === "told") mark.told = Math.min(seq, this.options.inbox.lastSeq(conversationId) || seq);
    // A refused mark is neither told nor wanted any more: asked again, it is told again.
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

/** Says that the user is typing no more often than it helps: whoever reads it shows it for some seconds. */
const LEAST_MS = 3_000;
/** Conversations that are remembered; a person types in few. */
const MOST = 100;

export class TypingPace {
  /** When it was said last, by conversation; the earliest first. */
  readonly #said = new Map<string, number>();

  constructor(private readonly questions: Pick<Questions, "tell">) {}

  /** The user has pressed a key. */
  typing(conversationId: string): void {
    const now = performance.now();
    if (now - (this.#said.get(conversationId) ?? -LEAST_MS) < LEAST_MS) return;
    if (!this.questions.tell(Command.TYPING, { conversationId })) return;
    this.#said.delete(conversationId);
    this.#said.set(conversationId, now);
    const [earliest] = this.#said.keys();
    if (this.#said.size > MOST && earliest !== undefined) this.#said.delete(earliest);
  }

  /** The message was sent: the next key begins anew. */
  sent(conversationId: string): void {
    this.#said.delete(conversationId);
  }
}
