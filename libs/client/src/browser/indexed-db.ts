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
  /** `strict`: a value that was taken has reached the disk, not only the browser. */
  const write = async (change: (store: { put: PutValue; delete: DeleteValue }) => Promise<unknown>) => {
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    await Promise.all([change(transaction.store), transaction.done]);
  };
  return {
    get: (key) => database.get(STORE, key) as Promise<string | undefined>,
    set: (key, value) => write((store) => store.put(value, key)),
    delete: (key) => write((store) => store.delete(key)),
    keys: async () => (await database.getAllKeys(STORE)) as string[],
    close: () => database.close(),
  };
}

type PutValue = (value: string, key: string) => Promise<unknown>;
type DeleteValue = (key: string) => Promise<unknown>;
