/**
 * The values of a client that must survive its process: `device` (the owner of the storage), `tokens` (the refresh token),
 * `clock` (the server's time minus the time of this device, ms), `inbox` (the cursor), `conversation/<id>` (the shown and the
 * missing numbers), `conversations` (whether all are known), `outbox/<id>` (messages without an answer), `read/<id>` (marks that
 * the server does not have yet), `view/1/...` (the view; 1 is the version of its format).
 */

/**
 * A store of one device of one user. Values are JSON text. A change that has resolved survives any end of the process; a change
 * that rejects has changed nothing. Changes of a key take effect in the order of the calls, also if the caller does not wait in
 * between.
 */
export interface ClientStorage {
  /** Returns the value that was set last; undefined if there is none. */
  get(key: string): Promise<string | undefined>;
  /** Stores a value. */
  set(key: string, value: string): Promise<void>;
  /** Deletes a value, which need not exist. */
  delete(key: string): Promise<void>;
  /** Returns the keys of all values, in any order. */
  keys(): Promise<string[]>;
  /**
   * Returns all values whose keys begin with `prefix`, as of one moment, by key. A storage that several clients share needs it:
   * one client may write while another reads.
   */
  readAll?(prefix: string): Promise<Map<string, string>>;
}

/** A storage in memory, which ends with the process; the server then remembers the cursor of the device. */
export class MemoryStorage implements ClientStorage {
  readonly #values = new Map<string, string>();

  async get(key: string): Promise<string | undefined> {
    return this.#values.get(key);
  }

  async set(key: string, value: string): Promise<void> {
    this.#values.set(key, value);
  }

  async delete(key: string): Promise<void> {
    this.#values.delete(key);
  }

  async keys(): Promise<string[]> {
    return [...this.#values.keys()];
  }

  async readAll(prefix: string): Promise<Map<string, string>> {
    return new Map([...this.#values].filter(([key]) => key.startsWith(prefix)));
  }
}

/** Returns the value of a key; undefined if there is none or it is not JSON. */
export async function readJson<T>(storage: ClientStorage, key: string): Promise<T | undefined> {
  return parseJson<T>(await storage.get(key));
}

/** Returns all values whose keys begin with `prefix`, by key; undefined for a value that is not JSON. */
export async function readAllJson<T>(storage: ClientStorage, prefix: string): Promise<Map<string, T | undefined>> {
  const texts = storage.readAll === undefined ? await readEach(storage, prefix) : await storage.readAll(prefix);
  return new Map([...texts].map(([key, text]) => [key, parseJson<T>(text)]));
}

async function readEach(storage: ClientStorage, prefix: string): Promise<[key: string, text: string | undefined][]> {
  const keys = (await storage.keys()).filter((key) => key.startsWith(prefix));
  return Promise.all(keys.map(async (key) => [key, await storage.get(key)]));
}

function parseJson<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
