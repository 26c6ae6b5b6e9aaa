/**
 * Where a client keeps what must survive its process: `device` (whose storage it is), `tokens` (the refresh token),
 * `clock` (the server's time minus this device's, ms), `inbox` (the cursor), `conversation/<id>` (what was shown and what is missing), `conversations` (whether all are
 * known), `outbox/<id>` (messages without an answer), `read/<id>` (marks that the server does not have yet), `view/1/...`
 * (the view; 1 is the form of what is written there).
 */

/**
 * A store of one device of one user. Values are JSON text. A change that has resolved is kept, whatever happens to the
 * process then; one that rejects has changed nothing. Changes of a key take place in the order in which they were
 * asked for, also when nobody waits in between.
 */
export interface ClientStorage {
  /** The value that was set last; undefined when there is none. */
  get(key: string): Promise<string | undefined>;
  /** Keeps a value. */
  set(key: string, value: string): Promise<void>;
  /** Takes a value out; it may not be there. */
  delete(key: string): Promise<void>;
  /** Of all values, in any order. */
  keys(): Promise<string[]>;
  /**
   * All values whose keys begin so, as of one moment, by key. A storage that several clients have in common needs it: one of
   * them may write while another reads.
   */
  readAll?(prefix: string): Promise<Map<string, string>>;
}

/** Keeps nothing beyond the process; the server's memory of the device's cursor does the rest. */
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

/** The value of a key; undefined when there is none or it is not JSON. */
export async function readJson<T>(storage: ClientStorage, key: string): Promise<T | undefined> {
  return parseJson<T>(await storage.get(key));
}

/** All values whose keys begin so, by key; undefined for what is not JSON. */
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
