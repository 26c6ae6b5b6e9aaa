/**
 * Messages that have no number yet, kept until the server has answered.
 *
 * The idea: one lane per conversation, one message of it under way at a time, so that a message that has to be
 * repeated cannot be overtaken by a later one. Lanes do not wait for each other. A message is stored before it is
 * first sent and carries the same clientMsgId ever after, so the server recognises any repetition.
 *
 * Edge cases:
 * - No answer in 5 s though the server is heard: sent again, waited for 10 s, then 20 s; then it counts as not sent.
 * - The connection ended: sent again on the next one. That is no failed try; a message may wait offline for days.
 * - BUSY and the like say that the message was not taken: sent again after the time the server names, for 35 s at most
 *   after the first of them; then it counts as not sent.
 * - A message that counts as not sent takes along those that wait behind it: the user sends them again in their order.
 * - Any other refusal is final, and what stands behind it goes on.
 * - A storage that does not take the message: it is sent all the same, and the app is told that the storage has failed.
 * - Written before the server's time was known, and dated ahead of it: it has another id from then on.
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
  /** Tells "sending" when a message was taken, then "sent" or "failed", and "redated". */
  events: Pick<Tell, "emit">;
  random?: () => number;
}

/** How long each try waits for its answer, ms. */
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
  /** In the storage: its first id. */
  key: string;
  payload: SendPayload;
  /** Place among the messages of this device. */
  order: number;
  tries: number;
  refusedSince: number | undefined;
  /** Resolves when the storage has it, or has failed; nothing is sent before. */
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
  /** Ids of messages that were dated anew, by the first one. */
  readonly #redated = new Map<string, string>();
  readonly #stopping = new AbortController();
  #lastOrder = 0;
  /** Sessions up to now: what was lost with an earlier one may be sent again at once. */
  #sessions = 0;

  constructor(private readonly options: OutboxOptions) {}

  /** Messages that have no answer yet. */
  get size(): number {
    return this.#entries.size;
  }

  /** Those messages, in the order in which they were taken. */
  get payloads(): SendPayload[] {
    return [...this.#entries.values()].sort((a, b) => a.order - b.order).map(({ payload }) => payload);
  }

  /** Takes over what an earlier life of this device left behind. */
  async restore(): Promise<void> {
    const stored = await readAllJson<Pick<Entry, "payload" | "order">>(this.options.storage, PREFIX);
    const found = [...stored].map(([key, value]) => ({ key, ...value }) as Pick<Entry, "key" | "payload" | "order">);
    for (const { key, payload, order } of found.sort((a, b) => a.order - b.order)) {
      if (payload === undefined || this.#entries.has(payload.clientMsgId)) continue;
      this.#lastOrder = Math.max(this.#lastOrder, order);
      // Nobody waits for the promise of a message of an earlier life; the events tell.
      this.#enter({ key, payload, order, stored: Promise.resolve() }).result.catch(() => {});
    }
  }

  /**
   * Takes a message and sends it as soon as its turn has come.
   * @returns the answer; for an id that is already waiting the same promise as before
   * @throws CarillonError the refusal, or UNAVAILABLE when it counts as not sent
   */
  async add(payload: SendPayload): Promise<SentPayload> {
    const { clientMsgId } = payload;
    // Who has not heard that it was dated anew knows it by its first id.
    const same = this.#entries.get(this.#redated.get(clientMsgId) ?? clientMsgId);
    if (same !== undefined) return same.result;
    const [key, order] = [PREFIX + clientMsgId, ++this.#lastOrder];
    const entry = this.#enter({ key, payload, order, stored: this.#store(key, payload, order) });
    this.options.events.emit("sending", payload);
    this.#pump(payload.to);
    return entry.result;
  }

  /** A session is open. */
  online(): void {
    this.#sessions++;
    for (const to of [...this.#lanes.keys()]) this.#pump(to);
  }

  /** Ends all waiting; what is stored is sent in the next life. */
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

  /** By the id that it has now, and findable by its first one. */
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

  /** In one write, so that no life of this device finds both. */
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
    // Until now the same id is the same message; from now on it is a new try of the user.
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
