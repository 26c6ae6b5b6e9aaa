/** A storage over an asynchronous store of texts, as React Native's AsyncStorage is one. */
import type { ClientStorage } from "./storage";

/** What is used of it. */
export interface KeyValueStore {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<unknown>;
  removeItem(key: string): Promise<unknown>;
  getAllKeys(): Promise<readonly string[]>;
}

/**
 * Keeps the values of one device of one user under keys that begin with `prefix`; other keys are not touched. Changes reach the
 * store one after the other.
 */
export class KeyValueStorage implements ClientStorage {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: KeyValueStore,
    private readonly prefix: string,
  ) {}

  /** The value that was set last; undefined when there is none. */
  async get(key: string): Promise<string | undefined> {
    return (await this.#inTurn(() => this.store.getItem(this.prefix + key))) ?? undefined;
  }

  /** Keeps a value. @throws what the store throws */
  async set(key: string, value: string): Promise<void> {
    await this.#inTurn(() => this.store.setItem(this.prefix + key, value));
  }

  /** Takes a value out; it may not be there. @throws what the store throws */
  async delete(key: string): Promise<void> {
    await this.#inTurn(() => this.store.removeItem(this.prefix + key));
  }

  /** Of all values, in any order, without the prefix. */
  async keys(): Promise<string[]> {
    const keys = await this.#inTurn(() => this.store.getAllKeys());
    return keys.flatMap((key) => (key.startsWith(this.prefix) ? [key.slice(this.prefix.length)] : []));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
