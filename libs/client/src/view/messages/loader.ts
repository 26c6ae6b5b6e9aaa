/**
 * Fetches messages that the view does not have at hand: the newest of a conversation, those around a number, and from there
 * older and newer ones page by page.
 */
import { getOrSet } from "@carillon/base";
import { CarillonError, type Event, type Lenient, type PulledPayload, type PullPayload } from "@carillon/protocol";
import type { Conversation } from "../conversation";

/** Messages of a page. */
export const PAGE = 50;
/** So many on each side of a number the first look shows. */
const SIDE = PAGE / 2;

export class MessageLoader {
  readonly #underWay = new Map<string, Promise<void>>();
  /** Requests that were refused over this connection, with how far the messages at hand went then. */
  readonly #refused = new Map<string, number>();

  /**
   * @param pull a page of a conversation
   * @param onPage numbers of the conversation up to this one are at hand that were not, some without an event
   */
  constructor(
    private readonly pull: (range: PullPayload) => Promise<PulledPayload>,
    private readonly onPage: (conversation: Conversation, events: readonly Event[], last: number) => void,
  ) {}

  /** Another connection: requests that were refused are made again. */
  online(): void {
    this.#refused.clear();
  }

  /** Fetches what is missing at the end. Who looks when it has come, or could not be had, has the rest fetched. */
  newest(conversation: Conversation): void {
    const { conversationId, window, stored } = conversation;
    const { lastSeq, clearedSeq } = stored;
    const what = `newest ${conversationId}`;
    if (lastSeq <= clearedSeq || this.#underWay.has(what)) return;
    const [first, last] = window.newest ?? [0, 0];
    if (last < lastSeq) {
      this.#once(what, lastSeq, () => this.#one(what, () => this.#fetch(conversation, last + 1, lastSeq, true)));
    } else if (first > clearedSeq + 1 && window.count([first, last]) < PAGE) {
      // What came by itself may be the last message only: the first look shows a page.
      this.#once(`more ${conversationId}`, first, () => this.older(conversation));
    }
  }

  /** Fetches what is missing on both sides of a number, as far as the first look shows it; at the newest end, nothing. */
  around(conversation: Conversation, around: number | undefined): void {
    const { conversationId, window, stored } = conversation;
    const place = conversation.placeOf(around);
    // The newest end comes first: nothing that lies apart from it is taken for it.
    if (place === undefined || !window.covers(stored.lastSeq, stored.lastSeq)) return;
    const [first, last] = window.rangeOf(place) ?? [place + 1, place];
    const what = `${conversationId} ${place}`;
    if (first > stored.clearedSeq + 1 && window.count([first, place]) < SIDE) {
      this.#once(`before ${what}`, first, () => this.older(conversation, around));
    }
    if (last < stored.lastSeq && window.count([place, last]) < SIDE) {
      this.#once(`behind ${what}`, last, () => this.newer(conversation, around));
    }
  }

  /**
   * Fetches the page before what is shown.
   * @param around as in `view.messages`
   * @throws CarillonError UNAVAILABLE without a connection
   */
  older(conversation: Conversation, around?: number): Promise<void> {
    return this.#one(`older ${conversation.conversationId} ${around}`, async () => {
      const { window, stored } = conversation;
      const place = conversation.placeOf(around);
      const [first] = window.rangeOf(place) ?? [(place ?? stored.lastSeq) + 1];
      await this.#fetch(conversation, window.below(first) + 1, first - 1, true);
    });
  }

  /** Fetches the page behind what is shown, up to what lies apart. @throws as `older` */
  newer(conversation: Conversation, around: number | undefined): Promise<void> {
    return this.#one(`newer ${conversation.conversationId} ${around}`, async () => {
      const { window, stored } = conversation;
      const place = conversation.placeOf(around);
      const last = window.rangeOf(place)?.[1] ?? place ?? stored.lastSeq;
      await this.#fetch(conversation, last + 1, Math.min(window.above(last) - 1, stored.lastSeq), false);
    });
  }

  /** Fetches a page of a range that is not at hand: the highest of its numbers, or the lowest. */
  async #fetch(conversation: Conversation, from: number, to: number, backwards: boolean): Promise<void> {
    const { conversationId, window } = conversation;
    const lowest = () => Math.max(from, conversation.stored.clearedSeq + 1);
    const [fromSeq, toSeq] = backwards ? [to, lowest()] : [lowest(), to];
    if (lowest() > to) return;
    const page: Lenient<PulledPayload> = await this.pull({ conversationId, fromSeq, toSeq, limit: PAGE, backwards });
    const { events, more, unreadable = [] } = page;
    const seqs = [...events, ...unreadable].flatMap(({ seq = [] }) => seq);
    // Where the range goes on, the page ends with its last event. What was cleared meanwhile is not taken.
    const first = Math.max(lowest(), more && backwards ? Math.min(to + 1, ...seqs) : 0);
    const last = more && !backwards ? Math.max(0, ...seqs) : to;
    window.addPage(first, last, events);
    if (first <= last) this.onPage(conversation, events, last);
  }

  /** Makes a request, unless it was refused before. @param reach how far the messages at hand go */
  #once(what: string, reach: number, work: () => Promise<void>): void {
    if (this.#refused.get(what) === reach) return;
    work().catch((error) => {
      if (isRefused(error)) this.#refused.set(what, reach);
    });
  }

  /** Who asks for what is under way waits for the same. */
  #one(what: string, work: () => Promise<void>): Promise<void> {
    return getOrSet(this.#underWay, what, () => work().finally(() => this.#underWay.delete(what)));
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof CarillonError && error.retry === "never";
}
