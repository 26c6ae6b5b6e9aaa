/**
 * The events that come by DELIVER: the inbox puts them in order and shows them, stores its position, then acknowledges them.
 *
 * There are two positions. `seen` is the number up to which the client has taken the inbox over the connection in use. The stored
 * cursor (`Progress`) follows when the app is done with the events and the storage knows the shown numbers. CONNECT names the
 * cursor, so a device that died in between gets the rest again.
 *
 * Edge cases:
 * - A hole in the numbers is a fault of the server. The client closes the connection, and the next one begins at the cursor.
 * - Another epoch (the server has recreated the inbox) means that replay cannot show the missing events. DELIVER continues at
 *   once in the new epoch. The cursor stays until SYNC has listed all conversations, the client has noted the missing events, and
 *   the app has taken the list. If the device dies meanwhile, it gets a resync again, and loses nothing.
 * - An empty storage on a device that the server remembers: no resync comes, so the client reads the list of conversations once,
 *   silently, as soon as the replay is over. A later resync can then tell which conversations are new.
 * - The client skips an event that it cannot read, and acknowledges it like the others.
 * - Events can come twice (after a reconnect, in both epochs): the timelines know the shown numbers.
 */
import {
  Command,
  type ConnectedPayload,
  type ConversationRow,
  type DeliverPayload,
  type Event,
  type InboxPosition,
  type Lenient,
  type PulledPayload,
  type Unreadable,
} from "@carillon/protocol";
import type { Questions } from "../connection/questions";
import type { Tell } from "../core";
import type { LeftOut } from "../events/left-out";
import { Timelines, type TimelinesOptions } from "../order/timelines";
import type { ClientStorage } from "../storage/storage";
import type { Synchroniser } from "../sync/synchroniser";
import { Progress } from "./progress";

export interface InboxOptions extends Pick<TimelinesOptions, "random" | "self"> {
  storage: ClientStorage;
  questions: Pick<Questions, "giveUp" | "once" | "tell">;
  synchroniser: Pick<Synchroniser, "all">;
  /** Shows events and resyncs to the app. The client acknowledges after the promise of `deliver` has resolved. */
  events: Pick<Tell, "deliver" | "emit" | "fail">;
  leftOut: LeftOut;
}

export class Inbox {
  /** seq undefined: the next DELIVER tells where the inbox continues. */
  #seen: { epoch: string; seq: number | undefined } | undefined;
  /**
   * The head of the inbox when the connection was opened; undefined once the client has reached it, or if nothing waits for it.
   */
  #head: number | undefined;
  #resyncing = false;
  #connection = 0;
  readonly #timelines: Timelines;
  readonly #progress: Progress;

  constructor(private readonly options: InboxOptions) {
    const { questions, leftOut } = options;
    this.#timelines = new Timelines({
      ...options,
      pull: async (range) => leftOut.told(await questions.once<Lenient<PulledPayload>>(Command.PULL, range)),
      show: (event) => this.#show(event),
      onChange: () => this.#progress.note(),
    });
    this.#progress = new Progress({ ...options, timelines: this.#timelines });
  }

  async restore(): Promise<void> {
    await Promise.all([this.#progress.restore(), this.#timelines.restore()]);
  }

  /** The position that CONNECT names. */
  get position(): InboxPosition | undefined {
    return this.#progress.cursor;
  }

  /** Called when a session is open; its DELIVERs follow. */
  open({ inbox, resume }: Pick<ConnectedPayload, "inbox" | "resume">): void {
    this.#connection++;
    const head = { epoch: inbox.epoch, seq: inbox.seq };
    this.#progress.begin(resume === "none" ? head : undefined);
    this.#resyncing = false;
    this.#head = undefined;
    this.#timelines.online(resume === "resync");
    if (resume === "resync") return this.#startResync(inbox.epoch, inbox.seq);
    // Without a stored cursor, the first event tells where the server's cursor of this device continues.
    const { cursor } = this.#progress;
    const from = resume === "none" ? inbox.seq : cursor?.epoch === inbox.epoch ? cursor.seq : undefined;
    this.#seen = { epoch: inbox.epoch, seq: from };
    if (!this.#timelines.knowsAll) this.#head = inbox.seq;
    this.#learnWhenCaughtUp();
    if (resume === "none") this.#progress.reach(head);
  }

  deliver({ epoch, events, unreadable = [] }: Lenient<DeliverPayload>): void {
    if (this.#seen === undefined || epoch !== this.#seen.epoch) {
      this.#connection++;
      this.#progress.begin();
      // The numbers of a new epoch begin at 1; a higher first number is a hole like any other.
      this.#startResync(epoch, 0);
    }
    const seen = this.#seen as { seq: number | undefined };
    for (const [inboxSeq, event] of inOrder(events, unreadable)) {
      if (seen.seq !== undefined && inboxSeq <= seen.seq) continue;
      if (seen.seq !== undefined && inboxSeq > seen.seq + 1)
        return this.options.questions.giveUp("the inbox has a hole");
      seen.seq = inboxSeq;
      if ("why" in event) this.#timelines.pass([event]);
      else this.#timelines.offer(event);
      this.#progress.note(this.#resyncing ? undefined : { epoch, seq: inboxSeq });
    }
    this.#learnWhenCaughtUp();
  }

  /** Called when the server says that a conversation of a large group has events up to this number. */
  expect(conversationId: string, lastSeq: number): void {
    this.#timelines.expect(conversationId, lastSeq);
  }

  /** Takes events of a large group, which the server sends to a device that has focused it. */
  take(page: Lenient<PulledPayload>): void {
    this.#timelines.take(page);
  }

  /** The highest known number of a conversation; 0: none. */
  lastSeq(conversationId: string): number {
    return this.#timelines.lastSeq(conversationId);
  }

  /** Called when the app looks at this conversation: the client fetches its missing events first. */
  first(conversationId: string): void {
    this.#timelines.first(conversationId);
  }

  /** Ends acknowledging. @returns a promise that resolves when the writes under way are done */
  stop(): Promise<void> {
    this.#connection++;
    this.#timelines.stop();
    return this.#progress.stop();
  }

  #show(event: Event): void {
    // The client shows no event that another device has cleared.
    if (!event.cleared) this.#progress.handle(this.options.events.deliver(event.kind, event));
  }

  #startResync(epoch: string, seq: number): void {
    const { options } = this;
    const connection = this.#connection;
    this.#resyncing = true;
    this.#seen = { epoch, seq };
    this.#timelines.startResync();
    this.#list(connection, (rows) => {
      // The app first gets the list of conversations, then the missed events; both before the cursor moves.
      this.#progress.handle(options.events.deliver("resync", rows));
      this.#timelines.compare(rows);
      this.#resyncing = false;
      this.#progress.reach({ epoch, seq: this.#seen?.seq ?? seq });
    });
  }

  #learnWhenCaughtUp(): void {
    const head = this.#head;
    const seen = this.#seen;
    const connection = this.#connection;
    if (head === undefined || seen?.seq === undefined || seen.seq < head) return;
    this.#head = undefined;
    if (head === 0) this.#timelines.noteComplete();
    else
      this.#list(connection, (rows) => {
        this.#timelines.compare(rows);
        this.#progress.note();
      });
  }

  #list(connection: number, then: (rows: ConversationRow[]) => void): void {
    this.options.synchroniser.all().then(
      ({ conversations }) => {
        if (this.#connection === connection) then(conversations);
      },
      () => {
        // The connection ended; the next one begins with the old cursor, and asks again.
      },
    );
  }
}

/** Returns the delivered events by number, with unreadable entries in their places. */
function inOrder(
  events: DeliverPayload["events"],
  unreadable: readonly Unreadable[],
): readonly (readonly [inboxSeq: number, event: Event | Unreadable])[] {
  if (unreadable.length === 0) return events;
  const left = unreadable.map((entry) => [entry.inboxSeq ?? 0, entry] as const);
  return [...events, ...left].sort(([a], [b]) => a - b);
}
