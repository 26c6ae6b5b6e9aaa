/**
 * What comes by DELIVER: shown once, in order, then acknowledged.
 *
 * Two positions. `seen` is how far the inbox was handed to the app over the connection in use. `cursor` is what is
 * stored and acknowledged: it follows `seen` when the app is done with the events, and CONNECT names it, so that
 * a device that died in between gets the rest again.
 *
 * Edge cases:
 * - A hole in the numbers cannot be, but if it is, the connection is given up and the next one begins at the cursor.
 * - Another epoch (the server's inboxes were made anew) means that replay cannot tell what is missing. DELIVER goes on
 *   at once in the new epoch, but nothing is acknowledged and the cursor stays until SYNC has told how all
 *   conversations stand and the app has taken it: dying meanwhile means a resync again, never a loss.
 * - Events can come twice (after a reconnect, in both epochs): numbers of a conversation that were shown are known.
 */
import type { ConnectedPayload, DeliverPayload, Event, InboxPosition } from "@carillon/protocol";
import { type ClientStorage, readJson } from "../storage/storage";
import { Acknowledger } from "./acknowledger";
import { SeqRanges } from "./seq-ranges";

export interface InboxOptions {
  storage: ClientStorage;
  /** Hands an event to the app; the promise is what acknowledging has to wait for. */
  show(event: Event): Promise<unknown> | undefined;
  /** Sends RECEIVED. */
  received(position: InboxPosition): void;
  /** Gives the connection up, as its stream has a hole. */
  reconnect(): void;
  /** Tells the app how all conversations stand. Rejects when the connection ended meanwhile. */
  resync(): Promise<unknown>;
}

const KEY = "inbox";

export class Inbox {
  private cursor: InboxPosition | undefined;
  /** seq undefined: the next DELIVER tells where the inbox goes on. */
  private seen: { epoch: string; seq: number | undefined } | undefined;
  private resyncing = false;
  private connection = 0;
  private readonly shown = new Map<string, SeqRanges>();
  private handled: Promise<unknown> = Promise.resolve();
  private readonly acknowledger = new Acknowledger(() => this.acknowledge());

  constructor(private readonly options: InboxOptions) {}

  async restore(): Promise<void> {
    this.cursor = await readJson<InboxPosition>(this.options.storage, KEY);
  }

  /** What CONNECT says. */
  get position(): InboxPosition | undefined {
    return this.cursor;
  }

  /** A session is open; its DELIVERs follow. */
  open({ inbox, resume }: Pick<ConnectedPayload, "inbox" | "resume">): void {
    this.connection++;
    this.resyncing = false;
    this.acknowledger.stop();
    if (resume === "resync") return this.startResync(inbox.epoch, inbox.seq);
    // Without a cursor of our own, the first event tells where the server's memory of this device goes on.
    const from = resume === "none" ? inbox.seq : this.cursor?.epoch === inbox.epoch ? this.cursor.seq : undefined;
    this.seen = { epoch: inbox.epoch, seq: from };
    if (resume === "none") void this.keep({ epoch: inbox.epoch, seq: inbox.seq });
  }

  deliver({ epoch, events }: DeliverPayload): void {
    if (this.seen === undefined || epoch !== this.seen.epoch) this.startResync(epoch, undefined);
    const seen = this.seen as { seq: number | undefined };
    for (const [inboxSeq, event] of events) {
      if (seen.seq !== undefined && inboxSeq <= seen.seq) continue;
      if (seen.seq !== undefined && inboxSeq > seen.seq + 1) return this.options.reconnect();
      seen.seq = inboxSeq;
      this.showOnce(event);
      this.acknowledger.add();
    }
  }

  /** Nothing is acknowledged any more. */
  stop(): void {
    this.connection++;
    this.acknowledger.stop();
  }

  private showOnce(event: Event): void {
    const { conversationId, seq } = event;
    const numbers = this.shown.get(conversationId) ?? new SeqRanges();
    this.shown.set(conversationId, numbers);
    if (!numbers.add(seq)) return;
    const handled = this.options.show(event);
    if (handled !== undefined) this.handled = Promise.all([this.handled, handled]);
  }

  private acknowledge(): void {
    if (this.resyncing || this.seen?.seq === undefined) return;
    const { connection } = this;
    const { epoch, seq } = this.seen as InboxPosition;
    void this.handled.then(() => this.confirm({ epoch, seq }, connection));
  }

  /** Stores the cursor, then tells the server; what belongs to an earlier connection is told anew by the next. */
  private async confirm(position: InboxPosition, connection: number): Promise<void> {
    if (this.connection !== connection) return;
    await this.keep(position);
    if (this.connection === connection) this.options.received(position);
  }

  private async keep(position: InboxPosition): Promise<void> {
    this.cursor = position;
    await this.options.storage.set(KEY, JSON.stringify(position));
  }

  private startResync(epoch: string, seq: number | undefined): void {
    const connection = ++this.connection;
    this.resyncing = true;
    this.seen = { epoch, seq };
    this.options.resync().then(
      async (): Promise<void> => {
        if (this.connection !== connection) return;
        this.resyncing = false;
        const reached = this.seen?.seq;
        // Nothing was delivered in this epoch yet and nobody said where it stands: the first DELIVER will.
        if (reached === undefined) return;
        await this.handled;
        await this.confirm({ epoch, seq: reached }, connection);
      },
      () => {
        // The connection ended; CONNECT names the old cursor and the server says resync again.
      },
    );
  }
}
