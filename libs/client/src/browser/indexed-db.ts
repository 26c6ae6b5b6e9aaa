/**
 * Storage of the browser: one database per device and user, one store of text values.
 *
 * A browser may close a database under the page: because its files are gone, because another page deletes it (which must not
 * wait for this one), because the user clears what the site has stored. Then it is opened again with the next use.
 */
import { type IDBPDatabase, openDB } from "idb";
import type { Identity } from "../storage/identity";
import type { ClientStorage, MakeEngine } from "../storage/storage";
import { type Browser, platformBrowser } from "./tabs/platform";
import { TabCore } from "./tabs/tab-core";

const STORE = "values";

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
  make(store: { put: PutValue; delete: DeleteValue }): Promise<unknown>;
  resolve(): void;
  reject(error: unknown): void;
}

type PutValue = (value: string, key: string) => Promise<unknown>;
type DeleteValue = (key: string) => Promise<unknown>;

class Storage implements IndexedDbStorage {
  private opened: Promise<IDBPDatabase> | undefined;
  private isClosed = false;
  private waiting: Change[] = [];
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly name: string,
    private readonly browser: Browser | undefined,
  ) {}

  share(makeEngine: MakeEngine, identity: Identity): TabCore | undefined {
    return this.browser && new TabCore(`carillon ${this.name}`, this.browser, this, identity, makeEngine);
  }

  async get(key: string): Promise<string | undefined> {
    return this.use((database) => database.get(STORE, key) as Promise<string | undefined>);
  }

  set(key: string, value: string): Promise<void> {
    return this.write((store) => store.put(value, key));
  }

  delete(key: string): Promise<void> {
    return this.write((store) => store.delete(key));
  }

  async keys(): Promise<string[]> {
    return this.use((database) => database.getAllKeys(STORE) as Promise<string[]>);
  }

  close(): void {
    this.isClosed = true;
    this.letGo();
  }

  async open(): Promise<IDBPDatabase> {
    if (this.isClosed) throw new Error("the storage is closed");
    this.opened ??= this.connect();
    return this.opened;
  }

  private letGo(): void {
    this.opened?.then((database) => database.close()).catch(() => {});
    this.opened = undefined;
  }

  private async connect(): Promise<IDBPDatabase> {
    const forget = () => {
      this.opened = undefined;
    };
    try {
      return await openDB(this.name, 1, {
        upgrade: (database) => void database.createObjectStore(STORE),
        blocking: () => this.letGo(),
        terminated: forget,
      });
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Once more when the browser had closed it, which is seen by its use only. */
  private async use<T>(work: (database: IDBPDatabase) => Promise<T>): Promise<T> {
    try {
      return await work(await this.open());
    } catch (error) {
      if ((error as Error).name !== "InvalidStateError") throw error;
      this.opened = undefined;
      return work(await this.open());
    }
  }

  private write(make: Change["make"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.waiting.push({ make, resolve, reject }) > 1) return;
      // One after the other, also when the database has to be opened again in between.
      queueMicrotask(() => {
        this.writing = this.writing.then(() => this.writeAll());
      });
    });
  }

  /** `strict`: a value that was taken has reached the disk, not only the browser. So what is asked for in one turn goes together. */
  private async writeAll(): Promise<void> {
    const changes = this.waiting.splice(0);
    try {
      await this.use(async (database) => {
        const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
        await Promise.all([...changes.map(({ make }) => make(transaction.store)), transaction.done]);
      });
      for (const { resolve } of changes) resolve();
    } catch (error) {
      // All or nothing: one that fails takes back the others.
      for (const { reject } of changes) reject(error);
    }
  }
}
