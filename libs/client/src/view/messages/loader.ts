/**
 * Fetches messages that the view does not have at hand: the newest of a conversation, those around a number, and from there older
 * and newer ones page by page.
 */
import { getOrSet } from "@carillon/base";
import { CarillonError, type Event, type Lenient, type PulledPayload, type PullPayload } from "@carillon/protocol";
import type { Conversation } from "../conversation";

/** The number of messages of a page. */
export const PAGE = 50;
/** The number of messages on each side of a number at the first look. */
const SIDE = PAGE / 2;

export class MessageLoader {
  readonly #underWay = new Map<string, Promise<void>>();
  /** Requests that the server refused over this connection, with the reach of the messages at hand at that time. */
  readonly #refused = new Map<string, number>();

  /**
   * @param pull fetches a page of a conversation
   * @param onPage is called when new numbers up to `last` are at hand, some without an event
   */
  constructor(
    private readonly pull: (range: PullPayload) => Promise<PulledPayload>,
    private readonly onPage: (conversation: Conversation, events: readonly Event[], last: number) => void,
  ) {}

  /** Called at another connection: refused requests may be made again. */
  online(): void {
    this.#refused.clear();
  }

  /**
   * Fetches missing messages at the newest end, one page per call. The app's next look, after a page has come or failed, fetches
   * the next one.
   */
  newest(conversation: Conversation): void {
    const { conversationId, window, stored } = conversation;
    const { lastSeq, clearedSeq } = stored;
    const what = `newest ${conversationId}`;
    if (lastSeq <= clearedSeq || this.#underWay.has(what)) return;
    const [first, last] = window.newest ?? [0, 0];
    if (last < lastSeq) {
      this.#once(what, lastSeq, () => this.#one(what, () => this.#fetch(conversation, last + 1, lastSeq, true)));
    } else if (first > clearedSeq + 1 && window.count([first, last]) < PAGE) {
      // The messages that came by themselves may be the last one only: the first look shows a page.
      this.#once(`more ${conversationId}`, first, () => this.older(conversation));
    }
  }

  /**
   * Fetches missing messages on both sides of a number, as far as the first look shows them; at the newest end it does nothing.
   */
  around(conversation: Conversation, around: number | undefined): void {
    const { conversationId, window, stored } = conversation;
    const place = conversation.placeOf(around);
    // The newest end comes first: otherwise a range that lies apart from it would count as the newest.
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
   * Fetches the page before the shown messages.
   * @param around the number around which the app looks, as in `view.messages`
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

  /** Fetches the page after the shown messages, up to the next range at hand. @throws the same errors as `older` */
  newer(conversation: Conversation, around: number | undefined): Promise<void> {
    return this.#one(`newer ${conversation.conversationId} ${around}`, async () => {
      const { window, stored } = conversation;
      const place = conversation.placeOf(around);
      const last = window.rangeOf(place)?.[1] ?? place ?? stored.lastSeq;
      await this.#fetch(conversation, last + 1, Math.min(window.above(last) - 1, stored.lastSeq), false);
    });
  }

  /** Fetches a page of a range that is not at hand: its highest numbers if `backwards`, otherwise its lowest. */
  async #fetch(conversation: Conversation, from: number, to: number, backwards: boolean): Promise<void> {
    const { conversationId, window } = conversation;
    const lowest = () => Math.max(from, conversation.stored.clearedSeq + 1);
    const [fromSeq, toSeq] = backwards ? [to, lowest()] : [lowest(), to];
    if (lowest() > to) return;
    const page: Lenient<PulledPayload> = await this.pull({ conversationId, fromSeq, toSeq, limit: PAGE, backwards });
    const { events, more, unreadable = [] } = page;
    const seqs = [...events, ...unreadable].flatMap(({ seq = [] }) => seq);
    // If the range has more events, the page ends with its last event. Messages that were cleared meanwhile are left out.
    const first = Math.max(lowest(), more && backwards ? Math.min(to + 1, ...seqs) : 0);
    const last = more && !backwards ? Math.max(0, ...seqs) : to;
    window.addPage(first, last, events);
    if (first <= last) this.onPage(conversation, events, last);
  }

  /** Makes a request, unless the server refused it before. @param reach the reach of the messages at hand */
  #once(what: string, reach: number, work: () => Promise<void>): void {
    if (this.#refused.get(what) === reach) return;
    work().catch((error) => {
      if (isRefused(error)) this.#refused.set(what, reach);
    });
  }

  /** Makes a request, or returns the promise of the same request under way. */
  #one(what: string, work: () => Promise<void>): Promise<void> {
    return getOrSet(this.#underWay, what, () => work().finally(() => this.#underWay.delete(what)));
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof CarillonError && error.retry === "never";
}
