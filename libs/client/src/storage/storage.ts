/** Where a client keeps what must survive its process: the inbox cursor, unsent messages, the refresh token. */

/** A store of one device of one user. Values are JSON text; a `set` that resolved is kept. */
export interface ClientStorage {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<string[]>;
}

/** Keeps nothing beyond the process; the server's memory of the device's cursor does the rest. */
export class MemoryStorage implements ClientStorage {
  private readonly values = new Map<string, string>();

  async get(key: string): Promise<string | undefined> {
    return this.values.get(key);
  }

  async set(key: string, value: string): Promise<void> {
    this.values.set(key, value);
  }

  async delete(key: string): Promise<void> {
    this.values.delete(key);
  }

  async keys(): Promise<string[]> {
    return [...this.values.keys()];
  }
}

/** The value of a key; undefined when there is none or it is not JSON. */
export async function readJson<T>(storage: ClientStorage, key: string): Promise<T | undefined> {
  const text = await storage.get(key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
