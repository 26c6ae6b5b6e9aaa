/** The part of IndexedDB that one store of texts needs, with promises. A library for it would be a thirtieth of the SDK. */

const STORE = "values";

interface Request<T> {
  result: T;
  error: unknown;
  onsuccess: unknown;
  onerror: unknown;
  onupgradeneeded?: unknown;
}

interface Transaction {
  objectStore(name: string): ObjectStore;
  error: unknown;
  oncomplete: unknown;
  onabort: unknown;
}

/** An `IDBKeyRange`; the SDK only passes it on. */
type KeyRange = object;

/** The part of an `IDBObjectStore` that the SDK uses. */
export interface ObjectStore {
  get(key: string): Request<string | undefined>;
  getAll(range?: KeyRange): Request<string[]>;
  getAllKeys(range?: KeyRange): Request<string[]>;
  put(value: string, key: string): unknown;
  delete(key: string): unknown;
}

interface Opened {
  createObjectStore(name: string): unknown;
  transaction(store: string, mode?: string, options?: { durability: string }): Transaction;
  close(): void;
  onversionchange: unknown;
  onclose: unknown;
}

/** An open database. */
export class Database {
  constructor(private readonly opened: Opened) {}

  read<T>(ask: (store: ObjectStore) => Request<T>): Promise<T> {
    return resultOf(ask(this.opened.transaction(STORE).objectStore(STORE)));
  }

  /** Returns the keys with this prefix and their values, as of one moment. */
  async readAll(prefix: string): Promise<Map<string, string>> {
    const { IDBKeyRange } = globalThis as unknown as { IDBKeyRange: { bound(from: string, to: string): KeyRange } };
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const store = this.opened.transaction(STORE).objectStore(STORE);
    const [keys, values] = await Promise.all([resultOf(store.getAllKeys(range)), resultOf(store.getAll(range))]);
    return new Map(keys.map((key, i) => [key, values[i] as string]));
  }

  /**
   * Makes the changes in one transaction. `strict`: the browser has flushed the values to the disk. @returns a promise that
   * resolves when all changes are written
   */
  write(change: (store: ObjectStore) => void): Promise<void> {
    const transaction = this.opened.transaction(STORE, "readwrite", { durability: "strict" });
    change(transaction.objectStore(STORE));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the storage took nothing"));
    });
  }

  close(): void {
    this.opened.close();
  }
}

/**
 * @param letGo is called when a page wants to delete the database, or the browser has closed it: the client must not use it any
 *   more
 * @throws if the browser has no IndexedDB, or refuses it
 */
export async function openDatabase(name: string, letGo: () => void): Promise<Database> {
  const { indexedDB } = globalThis as unknown as {
    indexedDB: { open(name: string, version: number): Request<Opened> };
  };
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const opened = await resultOf(request);
  opened.onversionchange = letGo;
  opened.onclose = letGo;
  return new Database(opened);
}

function resultOf<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
