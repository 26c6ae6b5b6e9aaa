/** A storage over an asynchronous store of texts, such as AsyncStorage of React Native. */
import type { ClientStorage } from "./storage";

/** The methods of the store that the SDK uses. */
export interface KeyValueStore {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<unknown>;
  removeItem(key: string): Promise<unknown>;
  getAllKeys(): Promise<readonly string[]>;
}

/**
 * Keeps the values of one device of one user under keys that begin with `prefix`, and does not touch other keys. Changes reach
 * the store one after another.
 */
export class KeyValueStorage implements ClientStorage {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: KeyValueStore,
    private readonly prefix: string,
  ) {}

  /** Returns the value that was set last; undefined if there is none. @throws the error of the store */
  async get(key: string): Promise<string | undefined> {
    return (await this.#inTurn(() => this.store.getItem(this.prefix + key))) ?? undefined;
  }

  /** Stores a value. @throws the error of the store */
  async set(key: string, value: string): Promise<void> {
    await this.#inTurn(() => this.store.setItem(this.prefix + key, value));
  }

  /** Deletes a value, which need not exist. @throws the error of the store */
  async delete(key: string): Promise<void> {
    await this.#inTurn(() => this.store.removeItem(this.prefix + key));
  }

  /** Returns the keys of all values, in any order, without the prefix. @throws the error of the store */
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
