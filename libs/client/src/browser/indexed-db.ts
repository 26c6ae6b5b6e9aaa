/**
 * A storage in the browser: one database per device and user, with one store of text values. Tabs that open the same database
 * share it.
 *
 * A browser may close a database under the page: because its files are gone, because another page deletes it (which must not wait
 * for this page), or because the user clears the data of the site. The storage opens it again at the next use.
 */
import type { MakeEngine, SharingStorage } from "../core";
import type { Identity } from "../storage/identity";
import type { ClientStorage } from "../storage/storage";
import { type Database, type ObjectStore, openDatabase } from "./database";
import { type Browser, platformBrowser } from "./tabs/platform";
import { TabCore } from "./tabs/tab-core";

/** An open storage. The app that opened it closes it, after the client. */
export interface IndexedDbStorage extends ClientStorage {
  close(): void;
}

/**
 * Opens a storage in IndexedDB. Tabs that open the same storage share one connection, and each of them may close.
 * @param name the name of the database; one for each user and device
 * @throws if the browser has no IndexedDB or refuses it (private windows of some browsers)
 */
export async function openIndexedDbStorage(name: string): Promise<IndexedDbStorage> {
  const storage = new Storage(name, platformBrowser());
  await storage.open();
  return storage;
}

/** A change to the store, and the callbacks of its caller. */
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

  /** Runs `work`, and repeats it if the browser had closed the database: only a use of the database shows that. */
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
      // Writes run one after the other, also when the storage has to open the database again in between.
      queueMicrotask(() => {
        this.#writing = this.#writing.then(() => this.#writeAll());
      });
    });
  }

  /** Writes the changes of one turn in one transaction. */
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
      // The transaction is all or nothing: a change that fails undoes the others.
      for (const { reject } of changes) reject(error);
    }
  }
}
