/**
 * What comes by DELIVER: put in order and shown, then stored, then acknowledged.
 *
 * Two positions. `seen` is how far the inbox was taken over the connection in use. The stored cursor (`Progress`)
 * follows when the app is done with the events and the storage knows what was shown; CONNECT names it, so that a
 * device that died in between gets the rest again.
 *
 * Edge cases:
 * - A hole in the numbers cannot be, but if it is, the connection is given up and the next one begins at the cursor.
 * - Another epoch (the server's inboxes were made anew) means that replay cannot tell what is missing. DELIVER goes on
 *   at once in the new epoch, but the cursor stays until SYNC has told how all conversations stand, what is missing is
 *   noted, and the app has taken it: dying meanwhile means a resync again, never a loss.
 * - A storage that knows nothing, on a device that the server remembers: no resync comes, so the list of
 *   conversations is read once, silently, as soon as the replay is over. A later resync can then tell what is new.
 * - An event that cannot be read here is passed over and acknowledged like the others.
 * - Events can come twice (after a reconnect, in both epochs): the timelines know what was shown.
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
  /** Shows events and resyncs to the app: what `deliver` returns is what acknowledging has to wait for. */
  events: Pick<Tell, "deliver" | "emit" | "fail">;
  leftOut: LeftOut;
}

export class Inbox {
  /** seq undefined: the next DELIVER tells where the inbox goes on. */
  #seen: { epoch: string; seq: number | undefined } | undefined;
  /** The head of the inbox when the connection was opened, until it is reached and nothing waits for that any more. */
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

  /** What CONNECT says. */
  get position(): InboxPosition | undefined {
    return this.#progress.cursor;
  }

  /** A session is open; its DELIVERs follow. */
  open({ inbox, resume }: Pick<ConnectedPayload, "inbox" | "resume">): void {
    this.#connection++;
    const head = { epoch: inbox.epoch, seq: inbox.seq };
    this.#progress.begin(resume === "none" ? head : undefined);
    this.#resyncing = false;
    this.#head = undefined;
    this.#timelines.online(resume === "resync");
    if (resume === "resync") return this.#startResync(inbox.epoch, inbox.seq);
    // Without a cursor of our own, the first event tells where the server's memory of this device goes on.
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
      // A new epoch is counted from its beginning; a first number that is higher is a hole like any other.
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

  /** A conversation of a large group goes up to this number. */
  expect(conversationId: string, lastSeq: number): void {
    this.#timelines.expect(conversationId, lastSeq);
  }

  /** Events of a large group, for a device that looks at it. */
  take(page: Lenient<PulledPayload>): void {
    this.#timelines.take(page);
  }

  /** The highest number that is known of a conversation; 0: none. */
  lastSeq(conversationId: string): number {
    return this.#timelines.lastSeq(conversationId);
  }

  /** The app looks at this conversation: what is missing in it comes first. */
  first(conversationId: string): void {
    this.#timelines.first(conversationId);
  }

  /** Nothing is acknowledged any more. @returns when what was begun is stored */
  stop(): Promise<void> {
    this.#connection++;
    this.#timelines.stop();
    return this.#progress.stop();
  }

  #show(event: Event): void {
    // What another device has cleared is told to nobody.
    if (!event.cleared) this.#progress.handle(this.options.events.deliver(event.kind, event));
  }

  #startResync(epoch: string, seq: number): void {
    const { options } = this;
    const connection = this.#connection;
    this.#resyncing = true;
    this.#seen = { epoch, seq };
    this.#timelines.startResync();
    this.#list(connection, (rows) => {
      // First the app hears how things stand, then what it missed; both before the cursor moves.
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
        // The connection ended; the next one begins with the old cursor and comes here again.
      },
    );
  }
}

/** What was delivered, by number, with what cannot be read in its place. */
function inOrder(
  events: DeliverPayload["events"],
  unreadable: readonly Unreadable[],
): readonly (readonly [inboxSeq: number, event: Event | Unreadable])[] {
  if (unreadable.length === 0) return events;
  const left = unreadable.map((entry) => [entry.inboxSeq ?? 0, entry] as const);
  return [...events, ...left].sort(([a], [b]) => a - b);
}
