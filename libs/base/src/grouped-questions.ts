/**
 * Groups questions of one kind to a store: at most 200 keys in a statement, and at most two statements in flight. While both
 * are, further keys wait, and leave together when one returns (group commit). On a busy machine a statement takes as long
 * as the process and the store wait for a processor, whatever it asks. With 64 keys, the statements limited the number of
 * cold conversations that users could write to (docs/decisions/0023); asked one by one, they were most of the cost of a SYNC
 * (docs/decisions/0027).
 *
 * A statement is never given up, so its answer is never wasted: callers that stopped waiting find it in the cache when they
 * ask again. A key that has waited for longer than its askers do is dropped before it is asked. The store counts as silent
 * when both statements have been in flight for a second; then further questions are refused instead of waiting behind them.
 */
import { guarded } from "./boundary";

export const KEYS_PER_STATEMENT = 200;
const STATEMENTS = 2;
/** Longest time that an asker waits, ms: an owner answers a parked request within this time. */
const ASKER_WAITS_MS = 2_000;
const SILENT_MS = 1_000;
/** An answer that took longer is dropped, ms: the log may have forgotten the events since that the answer lacks. */
const MOST_AGE_MS = 20_000;
const MOST_WAITING = 16_384;

/** The store is silent, too many keys wait, or the answer came too late to be used. */
export class Unanswered extends Error {
  constructor(why: string) {
    super(`the store did not say: ${why}`);
    this.name = "Unanswered";
  }
}

export interface QuestionsOptions<K, A> {
  idOf(key: K): string;
  /** Runs one statement for these keys; an id that is missing in the result has no answer. */
  ask(keys: K[]): Promise<Map<string, A>>;
  /** ms */
  monotonic(): number;
  /** Maximum number of keys in one statement (200). */
  most?: number;
}

interface Waiting<K, A> {
  key: K;
  answer: Promise<A | undefined>;
  askedAt: number;
  resolve(answer: A | undefined): void;
  reject(error: Error): void;
}

export class GroupedQuestions<K, A> {
  private readonly waiting = new Map<string, Waiting<K, A>>();
  /** Times at which the statements in flight began. */
  private readonly begun = new Set<{ at: number }>();
  private isScheduled = false;

  constructor(private readonly options: QuestionsOptions<K, A>) {}

  /** Whether the store has not answered for a second; then questions are refused. */
  get isSilent(): boolean {
    const before = this.options.monotonic() - SILENT_MS;
    return this.begun.size === STATEMENTS && [...this.begun].every(({ at }) => at <= before);
  }

  /**
   * Returns the answer about a key, from a statement that begins after this call; undefined: the store has none.
   * @throws Unanswered, or the error of the statement
   */
  ask(key: K): Promise<A | undefined> {
    const id = this.options.idOf(key);
    const askedAt = this.options.monotonic();
    const known = this.waiting.get(id);
    if (known !== undefined) {
      known.askedAt = askedAt;
      return known.answer;
    }
    if (this.isSilent) return Promise.reject(new Unanswered("it is silent"));
    if (this.waiting.size >= MOST_WAITING) return Promise.reject(new Unanswered("too many questions wait"));
    const waiting = { key, askedAt } as Waiting<K, A>;
    waiting.answer = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    // Perhaps no asker waits for it any more.
    waiting.answer.catch(() => {});
    this.waiting.set(id, waiting);
    this.schedule();
    return waiting.answer;
  }

  /** Returns answers about several keys; a key without an answer is missing. @throws as `ask`, for the first key that fails */
  async askAll(keys: readonly K[]): Promise<Map<string, A>> {
    const answers = await Promise.all(keys.map((key) => this.ask(key)));
    const found = new Map<string, A>();
    answers.forEach((answer, i) => {
      if (answer !== undefined) found.set(this.options.idOf(keys[i]!), answer);
    });
    return found;
  }

  /** Runs after the caller has asked for all its keys. */
  private schedule(): void {
    if (this.isScheduled || this.begun.size === STATEMENTS) return;
    this.isScheduled = true;
    queueMicrotask(guarded("timer", () => this.beginAll()));
  }

  private beginAll(): void {
    this.isScheduled = false;
    while (this.begun.size < STATEMENTS && this.begin());
  }

  /** @returns false when no key waits */
  private begin(): boolean {
    const batch = this.take();
    if (batch.length === 0) return false;
    const statement = { at: this.options.monotonic() };
    this.begun.add(statement);
    void this.run(batch, statement.at).finally(() => {
      this.begun.delete(statement);
      this.schedule();
    });
    return true;
  }

  private take(): Waiting<K, A>[] {
    const batch: Waiting<K, A>[] = [];
    const { most = KEYS_PER_STATEMENT, monotonic } = this.options;
    const before = monotonic() - ASKER_WAITS_MS;
    for (const [id, waiting] of this.waiting) {
      if (batch.length === most) break;
      this.waiting.delete(id);
      if (waiting.askedAt < before) waiting.reject(new Unanswered("nobody waits for it any more"));
      else batch.push(waiting);
    }
    return batch;
  }

  private async run(batch: Waiting<K, A>[], at: number): Promise<void> {
    const { idOf, ask, monotonic } = this.options;
    try {
      const answers = await ask(batch.map(({ key }) => key));
      if (monotonic() - at > MOST_AGE_MS) throw new Unanswered("its answer is too old");
      for (const { key, resolve } of batch) resolve(answers.get(idOf(key)));
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
    }
  }
}
