/**
 * The view's place in the storage: `view/1/...`, where 1 is the form of what is written there. What another version has
 * left is deleted; the next sync brings all of it again.
 *
 * Changes are gathered for a moment and written together: first messages, then what relies on them, then the place from
 * which the next sync goes on. A process that dies in between is told again what it had not kept.
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
  /** What the storage has refused. */
  #refused = new Map<string, unknown>();

  /** @param collect returns the changes since its last call, by key; undefined: deleted */
  constructor(
    private readonly core: Pick<Core, "events" | "keeps" | "storage">,
    private readonly collect: () => Map<string, unknown>,
  ) {}

  /** All that is kept, by key; what another version of the view left is deleted. */
  async restore(): Promise<Map<string, unknown>> {
    const { storage } = this.core;
    const values = await readAllJson(storage, ALL);
    const own = [...values].filter(([key]) => key.startsWith(PREFIX));
    const others = [...values.keys()].filter((key) => !key.startsWith(PREFIX));
    await Promise.all(others.map((key) => storage.delete(key)));
    return new Map(own.map(([key, value]) => [key.slice(PREFIX.length), value]));
  }

  /** Something has changed. */
  note(): void {
    if (!this.#isStopped) this.#timer ??= setTimeout(() => this.#write(), DELAY_MS);
  }

  /** What is collected next is all that there is: what else is stored is deleted. */
  replace(): void {
    this.#isReplacing = true;
    this.note();
  }

  /** Nothing is written any more after what has changed up to now. @returns when that is written */
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
/** Key of the place from which the next sync goes on. */
export const SINCE = "since";

/** What is written together, one step after the other: what is deleted may still be named until the second is done. */
const STEPS: ((key: string, value: unknown) => boolean)[] = [
  (key, value) => isMessages(key) && value !== undefined,
  (key, value) => !isMessages(key) && key !== SINCE && value !== undefined,
  (key, value) => key === SINCE || value === undefined,
];
