/** Fetches messages that the view does not have at hand: the newest of a conversation, and older ones page by page. */
import { getOrSet } from "@carillon/base";
import { CarillonError, type Event, type Lenient, type PulledPayload, type PullPayload } from "@carillon/protocol";
import type { Conversation } from "../conversation";

/** Messages of a page. */
export const PAGE = 50;

export class MessageLoader {
  readonly #underWay = new Map<string, Promise<void>>();
  /** Up to where the newest ones were had, or refused, over this connection. */
  readonly #asked = new Map<string, number>();
  /** From where on a page was filled up, by conversation, over this connection. */
  readonly #filled = new Map<string, number>();

  /**
   * @param pull a page of a conversation
   * @param onPage numbers of the conversation are at hand that were not, some without an event
   */
  constructor(
    private readonly pull: (range: PullPayload) => Promise<PulledPayload>,
    private readonly onPage: (conversation: Conversation, events: readonly Event[]) => void,
  ) {}

  /** Another connection: what could not be had is asked for again. */
  online(): void {
    this.#asked.clear();
    this.#filled.clear();
  }

  /** Fetches what is missing at the end. Who looks when it has come, or could not be had, has the rest fetched. */
  newest(conversation: Conversation): void {
    const { conversationId, window, stored } = conversation;
    const { lastSeq } = stored;
    const what = `newest ${conversationId}`;
    const end = window.newest?.[1] ?? 0;
    if (lastSeq <= stored.clearedSeq || this.#underWay.has(what)) return;
    if (end >= lastSeq) return this.#fill(conversation);
    if ((this.#asked.get(conversationId) ?? 0) >= lastSeq) return;
    this.#asked.set(conversationId, lastSeq);
    this.#one(what, () => this.#fetch(conversation, end, lastSeq)).catch((error) => {
      if (!isRefused(error)) this.#asked.delete(conversationId);
    });
  }

  /** What came by itself may be the last message only: the first look shows a page. */
  #fill(conversation: Conversation): void {
    const { conversationId, window, stored } = conversation;
    const [first = 0] = window.newest ?? [];
    if (first <= stored.clearedSeq + 1 || window.count >= PAGE || this.#filled.get(conversationId) === first) return;
    this.#filled.set(conversationId, first);
    this.older(conversation).catch((error) => {
      if (!isRefused(error)) this.#filled.delete(conversationId);
    });
  }

  /** Fetches the page before what is shown. @throws CarillonError UNAVAILABLE without a connection */
  older(conversation: Conversation): Promise<void> {
    return this.#one(`older ${conversation.conversationId}`, async () => {
      const { window, stored } = conversation;
      const { newest } = window;
      const to = newest === undefined ? stored.lastSeq : newest[0] - 1;
      if (to > stored.clearedSeq) await this.#fetch(conversation, window.below, to);
    });
  }

  /** @param below the highest number below that is at hand */
  async #fetch(conversation: Conversation, below: number, to: number): Promise<void> {
    const { conversationId, window } = conversation;
    const lowest = () => Math.max(below, conversation.stored.clearedSeq) + 1;
    const range = { conversationId, fromSeq: to, toSeq: lowest(), limit: PAGE, backwards: true };
    const page: Lenient<PulledPayload> = await this.pull(range);
    const { events, more, unreadable = [] } = page;
    const first = Math.min(to + 1, ...[...events, ...unreadable].map(({ seq = to + 1 }) => seq));
    // What was cleared meanwhile is not taken.
    const from = Math.max(lowest(), more ? first : 0);
    window.addPage(from, to, events);
    if (from <= to) this.onPage(conversation, events);
  }

  /** Who asks for what is under way waits for the same. */
  #one(what: string, work: () => Promise<void>): Promise<void> {
    return getOrSet(this.#underWay, what, () => work().finally(() => this.#underWay.delete(what)));
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof CarillonError && error.retry === "never";
}
