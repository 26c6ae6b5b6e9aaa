/**
 * How far this device is: what was shown, and the place in the inbox up to which nothing is needed any more.
 *
 * The order in which things become safe: the app is done with the events; the storage has what was shown of each
 * conversation and what is missing in it; the storage has the cursor; the server is told. A device that dies anywhere
 * in between gets again what comes after, and knows what it has shown.
 *
 * Writes come one after another. One that the storage refuses is told to the app and tried again; nothing is
 * acknowledged meanwhile.
 */
import { Backoff } from "@carillon/base";
import { Command, type InboxPosition } from "@carillon/protocol";
import type { Questions } from "../connection/questions";
import type { Tell } from "../core";
import type { Timelines } from "../order/timelines";
import { type ClientStorage, readJson } from "../storage/storage";

export interface ProgressOptions {
  storage: ClientStorage;
  timelines: Pick<Timelines, "takeChanges" | "putBack">;
  questions: Pick<Questions, "tell">;
  events: Pick<Tell, "fail">;
}

const KEY = "inbox";
/** Pauses before a storage that has failed is tried again. */
const RETRY = { first: 2_000, most: 60_000 } as const;

export class Progress {
  /** The place that is stored. */
  cursor: InboxPosition | undefined;
  /** The place that this connection has reached; undefined while it must not be acknowledged. */
  #reached: InboxPosition | undefined;
  /** The place that the server knows of. */
  #told: InboxPosition | undefined;
  #connection = 0;
  #handled: Promise<unknown> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #isStopped = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff = new Backoff(RETRY);
  readonly #acknowledger = new Acknowledger(() => this.#write());

  constructor(private readonly options: ProgressOptions) {}

  async restore(): Promise<void> {
    this.cursor = await readJson<InboxPosition>(this.options.storage, KEY);
  }

  /**
   * Another connection or epoch: what was reached in the one before is not acknowledged any more.
   * @param told what the server knows of already
   */
  begin(told?: InboxPosition): void {
    this.#connection++;
    this.#reached = undefined;
    this.#told = told;
  }

  /** The app was given something; the promise settles when it is done with it. */
  handle(done: Promise<unknown> | undefined): void {
    if (done !== undefined) this.#handled = Promise.all([this.#handled, done]).then(() => {});
  }

  /** Something has changed that is to be stored soon. @param reached also the place in the inbox */
  note(reached?: InboxPosition): void {
    if (reached !== undefined) this.#reached = reached;
    this.#acknowledger.add();
  }

  /** The place in the inbox, to be stored and told now. */
  reach(reached: InboxPosition): void {
    this.#reached = reached;
    this.#acknowledger.flush();
  }

  /** @returns when what was begun is stored */
  stop(): Promise<void> {
    this.begin();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isStopped = true;
    this.#acknowledger.flush();
    return this.#writing;
  }

  #write(): void {
    // With a storage that does not work everything waits for the next try.
    if (this.#retry !== undefined) return;
    const connection = this.#connection;
    const reached = this.#reached;
    const handled = this.#handled;
    const { timelines, events } = this.options;
    const changes = timelines.takeChanges();
    if (changes.size === 0 && reached === undefined) return;
    this.#writing = this.#writing.then(async () => {
      await handled;
      try {
        await this.#store(changes, connection, reached);
        this.#backoff.reset();
      } catch (error) {
        timelines.putBack(changes.keys());
        events.fail(error as Error);
        if (this.#isStopped) return;
        this.#retry ??= setTimeout(() => {
          this.#retry = undefined;
          this.#write();
        }, this.#backoff.next());
      }
    });
  }

  /** What belongs to an earlier connection is not told: the next one was opened with the cursor of before. */
  async #store(changes: Map<string, string>, connection: number, reached?: InboxPosition): Promise<void> {
    const { storage, questions } = this.options;
    await Promise.all([...changes].map(([key, value]) => storage.set(key, value)));
    if (reached === undefined || this.#connection !== connection) return;
    if (!isSame(this.cursor, reached)) {
      await storage.set(KEY, JSON.stringify(reached));
      this.cursor = reached;
    }
    if (this.#connection !== connection || isSame(this.#told, reached)) return;
    this.#told = reached;
    questions.tell(Command.RECEIVED, { epoch: reached.epoch, inboxSeq: reached.seq });
  }
}

function isSame(one: InboxPosition | undefined, other: InboxPosition): boolean {
  return one?.epoch === other.epoch && one.seq === other.seq;
}

/** Tells the server what is safe here: 50 ms after the first event that is not yet acknowledged, or at 20 events. */
const DELAY_MS = 50;
const MOST_EVENTS = 20;

class Acknowledger {
  #events = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param acknowledge acknowledges everything up to now */
  constructor(private readonly acknowledge: () => void) {}

  /** An event was handed to the app. */
  add(): void {
    if (++this.#events >= MOST_EVENTS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#events = 0;
  }

  /** Acknowledges now. */
  flush(): void {
    this.stop();
    this.acknowledge();
  }
}
