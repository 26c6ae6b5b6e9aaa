/** Storage of the browser: one database per device and user, one store of text values. */
import { openDB } from "idb";
import type { ClientStorage } from "../storage/storage";

const STORE = "values";

/** A storage that was opened; who opened it closes it, after the client. */
export interface IndexedDbStorage extends ClientStorage {
  close(): void;
}

/**
 * Opens a storage in IndexedDB.
 * @param name of the database; one for each user and device
 * @throws when the browser has no IndexedDB or refuses it (private windows of some browsers)
 */
export async function openIndexedDbStorage(name: string): Promise<IndexedDbStorage> {
  const database = await openDB(name, 1, {
    upgrade: (opened) => void opened.createObjectStore(STORE),
  });
  let waiting: Change[] = [];
  /** `strict`: a value that was taken has reached the disk, not only the browser. So what is asked for in one turn goes together. */
  const writeAll = async () => {
    const changes = waiting;
    waiting = [];
    try {
      const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
      await Promise.all([...changes.map(({ make }) => make(transaction.store)), transaction.done]);
      for (const { resolve } of changes) resolve();
    } catch (error) {
      // All or nothing: one that fails takes back the others.
      for (const { reject } of changes) reject(error);
    }
  };
  const write = (make: Change["make"]) =>
    new Promise<void>((resolve, reject) => {
      if (waiting.push({ make, resolve, reject }) === 1) queueMicrotask(writeAll);
    });
  return {
    get: (key) => database.get(STORE, key) as Promise<string | undefined>,
    set: (key, value) => write((store) => store.put(value, key)),
    delete: (key) => write((store) => store.delete(key)),
    keys: async () => (await database.getAllKeys(STORE)) as string[],
    close: () => database.close(),
  };
}

/** What is to be changed, and who waits for it. */
interface Change {
  make(store: { put: PutValue; delete: DeleteValue }): Promise<unknown>;
  resolve(): void;
  reject(error: unknown): void;
}

type PutValue = (value: string, key: string) => Promise<unknown>;
type DeleteValue = (key: string) => Promise<unknown>;
