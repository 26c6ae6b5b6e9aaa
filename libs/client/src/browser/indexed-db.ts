/**
 * Storage of the browser: one database per device and user, one store of text values. Tabs that open the same one share it.
 *
 * A browser may close a database under the page: because its files are gone, because another page deletes it (which must not
 * wait for this one), because the user clears what the site has stored. Then it is opened again with the next use.
 */
import type { MakeEngine, SharingStorage } from "../core";
import type { Identity } from "../storage/identity";
import type { ClientStorage } from "../storage/storage";
import { type Database, type ObjectStore, openDatabase } from "./database";
import { type Browser, platformBrowser } from "./tabs/platform";
import { TabCore } from "./tabs/tab-core";

/** A storage that was opened; who opened it closes it, after the client. */
export interface IndexedDbStorage extends ClientStorage {
  close(): void;
}

/**
 * Opens a storage in IndexedDB. Tabs that open the same one share one connection: any of them may close.
 * @param name of the database; one for each user and device
 * @throws when the browser has no IndexedDB or refuses it (private windows of some browsers)
 */
export async function openIndexedDbStorage(name: string): Promise<IndexedDbStorage> {
  const storage = new Storage(name, platformBrowser());
  await storage.open();
  return storage;
}

/** What is to be changed, and who waits for it. */
interface Change {
  make(store: ObjectStore): unknown;
  resolve(): void;
  reject(error: unknown): void;
}

class Storage implements IndexedDbStorage, SharingStorage {
  #opened: Promise<Database> | undefined;
  #isClosed = false;
  #waiting: Change[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly name: string,
    private readonly browser: Browser | undefined,
  ) {}

  share(makeEngine: MakeEngine, identity: Identity): TabCore | undefined {
    return this.browser && new TabCore(`carillon ${this.name}`, this.browser, this, identity, makeEngine);
  }

  get(key: string): Promise<string | undefined> {
    return this.#use((database) => database.read((store) => store.get(key)));
  }

  set(key: string, value: string): Promise<void> {
    return this.#write((store) => store.put(value, key));
  }

  delete(key: string): Promise<void> {
    return this.#write((store) => store.delete(key));
  }

  keys(): Promise<string[]> {
    return this.#use((database) => database.read((store) => store.getAllKeys()));
  }

  readAll(prefix: string): Promise<Map<string, string>> {
    return this.#use((database) => database.readAll(prefix));
  }

  close(): void {
    this.#isClosed = true;
    this.#letGo();
  }

  async open(): Promise<Database> {
    if (this.#isClosed) throw new Error("the storage is closed");
    this.#opened ??= this.#connect();
    return this.#opened;
  }

  #letGo(): void {
    this.#opened?.then((database) => database.close()).catch(() => {});
    this.#opened = undefined;
  }

  async #connect(): Promise<Database> {
    try {
      return await openDatabase(this.name, () => this.#letGo());
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** Once more when the browser had closed it, which is seen by its use only. */
  async #use<T>(work: (database: Database) => Promise<T>): Promise<T> {
    try {
      return await work(await this.open());
    } catch (error) {
      if ((error as Error).name !== "InvalidStateError") throw error;
      this.#opened = undefined;
      return work(await this.open());
    }
  }

  #write(make: Change["make"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ make, resolve, reject }) > 1) return;
      // One after the other, also when the database has to be opened again in between.
      queueMicrotask(() => {
        this.#writing = this.#writing.then(() => this.#writeAll());
      });
    });
  }

  /** What is asked for in one turn goes together. */
  async #writeAll(): Promise<void> {
    const changes = this.#waiting.splice(0);
    try {
      await this.#use((database) =>
        database.write((store) => {
          for (const { make } of changes) make(store);
        }),
      );
      for (const { resolve } of changes) resolve();
    } catch (error) {
      // All or nothing: one that fails takes back the others.
      for (const { reject } of changes) reject(error);
    }
  }
}
