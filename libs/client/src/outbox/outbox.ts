/**
 * Messages that have no number yet; the outbox stores them until the server has answered.
 *
 * The idea: each conversation has one lane, with one message under way at a time, so that no later message overtakes one that has
 * to be repeated. Lanes do not wait for each other. The outbox stores a message before it first sends it. The message keeps its
 * clientMsgId, so the server recognises any repetition.
 *
 * Edge cases:
 * - The server does not answer in 5 s though the connection is alive: the outbox sends the message again and waits 10 s, then 20
 *   s; then the message counts as not sent.
 * - The connection ended: the outbox sends the message again over the next one. That is no failed attempt; a message may wait
 *   offline for days.
 * - BUSY and similar errors say that the server has not taken the message: the outbox sends it again after the time that the
 *   server names, for at most 35 s after the first of them; then the message counts as not sent.
 * - A message that counts as not sent takes the messages behind it along: the user sends them again in their order.
 * - Any other refusal is final, and the outbox continues with the next message.
 * - The storage refuses a message: the outbox sends it all the same, and the client reports the failure of the storage to the
 *   app.
 * - The user wrote a message before the client knew the server's time, and its id is dated ahead of that time: it gets another
 *   id.
 */
import { sleep } from "@carillon/base";
import { CarillonError, Command, type ErrorName, type SendPayload, type SentPayload } from "@carillon/protocol";
import type { Questions } from "../connection/questions";
import { ConnectionLost, NoAnswer } from "../connection/requests";
import type { Tell } from "../core";
import type { ServerClock } from "../server-clock";
import type { KeptValues } from "../storage/kept-values";
import { type ClientStorage, readAllJson } from "../storage/storage";

export interface OutboxOptions {
  storage: ClientStorage;
  kept: KeptValues;
  clock: Pick<ServerClock, "redate">;
  questions: Pick<Questions, "once">;
  /** Emits "sending" when the outbox has taken a message, then "sent" or "failed", and "redated". */
  events: Pick<Tell, "emit">;
  random?: () => number;
}

/** The time that each attempt waits for its answer, ms. */
export const TRY_MS = [5_000, 10_000, 20_000] as const;
const REFUSED_MS = TRY_MS.reduce((sum, ms) => sum + ms, 0);
const RETRY_MS = 500;
const NOT_TAKEN: ReadonlySet<string> = new Set<ErrorName>([
  "BUSY",
  "RATE_LIMITED",
  "UNAVAILABLE",
  "WRONG_GATEWAY",
  "INTERNAL",
]);

const PREFIX = "outbox/";

interface Entry {
  /** The key in the storage; it contains the message's first id. */
  key: string;
  payload: SendPayload;
  /** The place among the messages of this device. */
  order: number;
  tries: number;
  refusedSince: number | undefined;
  /** Resolves when the storage has the message, or has failed; the outbox sends nothing before. */
  stored: Promise<unknown>;
  result: Promise<SentPayload>;
  resolve(sent: SentPayload): void;
  reject(error: Error): void;
}

interface Lane {
  waiting: Entry[];
  busy: boolean;
}

export class Outbox {
  readonly #lanes = new Map<string, Lane>();
  readonly #entries = new Map<string, Entry>();
  /** The present ids of redated messages, by their first ids. */
  readonly #redated = new Map<string, string>();
  readonly #stopping = new AbortController();
  #lastOrder = 0;
  /** The number of sessions so far: the outbox sends a message that was lost with an earlier session again at once. */
  #sessions = 0;

  constructor(private readonly options: OutboxOptions) {}

  /** The number of messages that have no answer yet. */
  get size(): number {
    return this.#entries.size;
  }

  /** The messages without an answer, in the order in which the outbox took them. */
  get payloads(): SendPayload[] {
    return [...this.#entries.values()].sort((a, b) => a.order - b.order).map(({ payload }) => payload);
  }

  /** Restores the messages that an earlier run of the app left unsent. */
  async restore(): Promise<void> {
    const stored = await readAllJson<Pick<Entry, "payload" | "order">>(this.options.storage, PREFIX);
    const found = [...stored].map(([key, value]) => ({ key, ...value }) as Pick<Entry, "key" | "payload" | "order">);
    for (const { key, payload, order } of found.sort((a, b) => a.order - b.order)) {
      if (payload === undefined || this.#entries.has(payload.clientMsgId)) continue;
      this.#lastOrder = Math.max(this.#lastOrder, order);
      // No caller waits for the promise of a restored message; the app hears the result by events.
      this.#enter({ key, payload, order, stored: Promise.resolve() }).result.catch(() => {});
    }
  }

  /**
   * Takes a message, and sends it as soon as its turn has come.
   * @returns the answer; for an id that is already waiting, the promise of the first call
   * @throws CarillonError of the refusal, or UNAVAILABLE if the message counts as not sent
   */
  async add(payload: SendPayload): Promise<SentPayload> {
    const { clientMsgId } = payload;
    // A caller that has not heard of the new id knows the message by its first id.
    const same = this.#entries.get(this.#redated.get(clientMsgId) ?? clientMsgId);
    if (same !== undefined) return same.result;
    const [key, order] = [PREFIX + clientMsgId, ++this.#lastOrder];
    const entry = this.#enter({ key, payload, order, stored: this.#store(key, payload, order) });
    this.options.events.emit("sending", payload);
    this.#pump(payload.to);
    return entry.result;
  }

  /** Called when a session is open. */
  online(): void {
    this.#sessions++;
    for (const to of [...this.#lanes.keys()]) this.#pump(to);
  }

  /** Rejects all waiting calls; the next run sends the stored messages. */
  stop(): void {
    this.#stopping.abort();
    for (const entry of this.#entries.values()) {
      entry.result.catch(() => {});
      entry.reject(new ConnectionLost());
    }
    this.#entries.clear();
    this.#redated.clear();
    this.#lanes.clear();
  }

  /** Registers a message under its present id, and makes it findable by its first id. */
  #register(entry: Entry): void {
    const [first, { clientMsgId }] = [firstIdOf(entry), entry.payload];
    this.#entries.set(clientMsgId, entry);
    if (first !== clientMsgId) this.#redated.set(first, clientMsgId);
  }

  #store(key: string, payload: SendPayload, order: number): Promise<void> {
    return this.options.kept.set(key, { payload, order });
  }

  #enter(given: Pick<Entry, "key" | "payload" | "order" | "stored">): Entry {
    const { payload } = given;
    const entry = { ...given, tries: 0, refusedSince: undefined } as Entry;
    entry.result = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    this.#register(entry);
    const lane = this.#lanes.get(payload.to) ?? { waiting: [], busy: false };
    this.#lanes.set(payload.to, lane);
    lane.waiting.push(entry);
    return entry;
  }

  /** Sends the messages of a lane one by one, until it is empty or there is no session. */
  async #pump(to: string): Promise<void> {
    const lane = this.#lanes.get(to);
    if (lane === undefined || lane.busy) return;
    lane.busy = true;
    while (lane.waiting.length > 0) {
      const entry = lane.waiting[0] as Entry;
      const sessions = this.#sessions;
      const outcome = await this.#attempt(entry);
      if (this.#stopping.signal.aborted) return;
      if (outcome === "again") continue;
      if (outcome === "lost") {
        if (this.#sessions === sessions) break;
        continue;
      }
      const isUnsent = outcome instanceof CarillonError && NOT_TAKEN.has(outcome.name);
      for (const each of lane.waiting.splice(0, isUnsent ? lane.waiting.length : 1)) await this.#settle(each, outcome);
    }
    lane.busy = false;
    if (lane.waiting.length === 0) this.#lanes.delete(to);
  }

  async #attempt(entry: Entry): Promise<SentPayload | Error | "again" | "lost"> {
    try {
      await entry.stored;
      await this.#redate(entry);
      return await this.options.questions.once<SentPayload>(Command.SEND, entry.payload, TRY_MS[entry.tries] as number);
    } catch (error) {
      if (error instanceof ConnectionLost) return "lost";
      if (error instanceof NoAnswer) {
        entry.tries++;
        if (entry.tries < TRY_MS.length) return "again";
        return new CarillonError("UNAVAILABLE", "the message has no answer after three tries", { cause: error });
      }
      if (!(error instanceof CarillonError) || !NOT_TAKEN.has(error.name)) return error as Error;
      entry.refusedSince ??= performance.now();
      if (performance.now() - entry.refusedSince > REFUSED_MS) return error;
      const { random = Math.random } = this.options;
      await sleep((error.retryAfterMs ?? RETRY_MS) + random() * RETRY_MS, this.#stopping.signal);
      return "again";
    }
  }

  /** Gives a message with a wrong date a new id, in one write, so that no later run finds both ids. */
  async #redate(entry: Entry): Promise<void> {
    const { clientMsgId } = entry.payload;
    const id = this.options.clock.redate(clientMsgId);
    if (id === undefined) return;
    entry.payload = { ...entry.payload, clientMsgId: id };
    this.#entries.delete(clientMsgId);
    this.#register(entry);
    await this.#store(entry.key, entry.payload, entry.order);
    this.options.events.emit("redated", { from: clientMsgId, to: id });
  }

  async #settle(entry: Entry, outcome: SentPayload | Error): Promise<void> {
    const { payload } = entry;
    const { kept, events } = this.options;
    await kept.delete(entry.key);
    // Until now the same id meant the same message; from now on it is a new attempt of the user.
    this.#entries.delete(payload.clientMsgId);
    this.#redated.delete(firstIdOf(entry));
    if (outcome instanceof Error) {
      entry.reject(outcome);
      events.emit("failed", { message: payload, error: outcome });
    } else {
      entry.resolve(outcome);
      events.emit("sent", outcome);
    }
  }
}

const firstIdOf = ({ key }: Entry) => key.slice(PREFIX.length);
