/**
 * The view's place in the storage: `view/1/...`, where 1 is the version of its format. The store deletes values of other
 * versions; the next SYNC brings all rows again.
 *
 * The store collects changes for a moment and writes them together: first messages, then the values that rely on them, then the
 * place from which the next SYNC continues. If the process dies in between, the next SYNC brings the changes that were not
 * stored.
 */
import type { Core } from "../core";
import { readAllJson } from "../storage/storage";

const ALL = "view/";
const PREFIX = "view/1/";
const DELAY_MS = 200;
const RETRY_MS = 2_000;

export class ViewStore {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isReplacing = false;
  /** The changes that the storage has refused. */
  #refused = new Map<string, unknown>();

  /** @param collect returns the changes since its last call, by key; undefined: delete the key */
  constructor(
    private readonly core: Pick<Core, "events" | "keeps" | "storage">,
    private readonly collect: () => Map<string, unknown>,
  ) {}

  /** Returns all stored values, by key, and deletes the values of other versions of the view. */
  async restore(): Promise<Map<string, unknown>> {
    const { storage } = this.core;
    const values = await readAllJson(storage, ALL);
    const own = [...values].filter(([key]) => key.startsWith(PREFIX));
    const others = [...values.keys()].filter((key) => !key.startsWith(PREFIX));
    await Promise.all(others.map((key) => storage.delete(key)));
    return new Map(own.map(([key, value]) => [key.slice(PREFIX.length), value]));
  }

  /** Called when the view has changed. */
  note(): void {
    if (!this.#isStopped) this.#timer ??= setTimeout(() => this.#write(), DELAY_MS);
  }

  /** The next changes are the whole view: the store deletes all other values. */
  replace(): void {
    this.#isReplacing = true;
    this.note();
  }

  /** Writes the last changes, and nothing after them. @returns a promise that resolves when they are written */
  stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#write();
    }
    return this.#writing;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const values = new Map([...this.#refused, ...this.collect()]);
      this.#refused = new Map();
      if (!this.core.keeps()) return;
      try {
        if (this.#isReplacing) await this.#findOthers(values);
        for (const step of STEPS) {
          const part = [...values].filter(([key, value]) => step(key, value));
          await Promise.all(part.map(([key, value]) => this.#put(PREFIX + key, value)));
        }
        this.#isReplacing = false;
      } catch (error) {
        this.#refused = values;
        this.core.events.fail(error as Error);
        if (!this.#isStopped) this.#timer ??= setTimeout(() => this.#write(), RETRY_MS);
      }
    });
  }

  async #findOthers(values: Map<string, unknown>): Promise<void> {
    for (const key of await this.core.storage.keys()) {
      const own = key.slice(PREFIX.length);
      if (key.startsWith(PREFIX) && !values.has(own)) values.set(own, undefined);
    }
  }

  #put(key: string, value: unknown): Promise<void> {
    const { storage } = this.core;
    return value === undefined ? storage.delete(key) : storage.set(key, JSON.stringify(value));
  }
}

const isMessages = (key: string) => key.startsWith("messages/");
/** The key of the place from which the next SYNC continues. */
export const SINCE = "since";

/**
 * The steps of a write, one after another; the changes of a step are written together. Deletions come last, because stored values
 * may still refer to deleted keys until the second step is done.
 */
const STEPS: ((key: string, value: unknown) => boolean)[] = [
  (key, value) => isMessages(key) && value !== undefined,
  (key, value) => !isMessages(key) && key !== SINCE && value !== undefined,
  (key, value) => key === SINCE || value === undefined,
];
