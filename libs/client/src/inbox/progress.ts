/**
 * The progress of this device: the shown numbers, and the place in the inbox up to which the device needs nothing any more.
 *
 * The steps to safety have a fixed order: the app is done with the events; the storage has the shown and the missing numbers of
 * each conversation; the storage has the cursor; the client tells the server. A device that dies anywhere in between gets the
 * later events again, and knows the shown ones.
 *
 * Writes run one after another. If the storage refuses one, the client reports it to the app and tries again; it acknowledges
 * nothing meanwhile.
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
/** The pauses before the client tries a failed storage again, ms. */
const RETRY = { first: 2_000, most: 60_000 } as const;

export class Progress {
  /** The stored cursor. */
  cursor: InboxPosition | undefined;
  /** The place that this connection has reached; undefined while the client must not acknowledge it. */
  #reached: InboxPosition | undefined;
  /** The place that the server knows. */
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
   * Called at another connection or epoch: the client no longer acknowledges the place that the former connection reached.
   * @param told the place that the server knows already
   */
  begin(told?: InboxPosition): void {
    this.#connection++;
    this.#reached = undefined;
    this.#told = told;
  }

  /** Called when the app has received a value; the promise settles when the app is done with it. */
  handle(done: Promise<unknown> | undefined): void {
    if (done !== undefined) this.#handled = Promise.all([this.#handled, done]).then(() => {});
  }

  /** Called when a change has to be stored soon. @param reached the new place in the inbox, if it moved */
  note(reached?: InboxPosition): void {
    if (reached !== undefined) this.#reached = reached;
    this.#acknowledger.add();
  }

  /** Stores the place in the inbox now, and tells the server. */
  reach(reached: InboxPosition): void {
    this.#reached = reached;
    this.#acknowledger.flush();
  }

  /** @returns a promise that resolves when the writes under way are done */
  stop(): Promise<void> {
    this.begin();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isStopped = true;
    this.#acknowledger.flush();
    return this.#writing;
  }

  #write(): void {
    // After a failure of the storage all changes wait for the next attempt.
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

  /**
   * Stores changes and cursor, and tells the server. The client tells nothing of an earlier connection: the server opened the
   * next one with the former cursor.
   */
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

/** The client acknowledges 50 ms after the first event that is not yet acknowledged, or at 20 events. */
const DELAY_MS = 50;
const MOST_EVENTS = 20;

class Acknowledger {
  #events = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param acknowledge acknowledges everything up to now */
  constructor(private readonly acknowledge: () => void) {}

  /** Called when the app has received an event. */
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
