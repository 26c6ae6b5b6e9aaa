/**
 * One conversation of the view: the last counts of the server, and the events since. The class is pure.
 *
 * The idea: a row of SYNC counts everything up to its `lastSeq` exactly (`base`). The class counts events above it, so an event
 * may come before or after the row that includes it. Marks only move forward; the highest mark holds, wherever it comes from.
 *
 * If base and events do not tell the number of unread messages, the class counts the messages at hand, if they reach back far
 * enough. If they do not (another device has read a part of hundreds of messages, or a message that is not at hand was recalled),
 * the number is the best estimate, `isExact` is false, and the next row corrects it.
 */
import {
  type ConversationRow,
  type Event,
  type Preview,
  parseConversationId,
  type ReadUpdatePayload,
} from "@carillon/protocol";
import { isCounted, type MessageWindow } from "./messages/window";

const PREVIEW_CHARACTERS = 100;
/** The number of later messages beyond which the view asks the server for another base. */
const MOST_LATER = 500;

/** The counts of the server. */
interface Base {
  lastSeq: number;
  unread: number;
  /** The mark above which the server counted. */
  mark: number;
}

/** The stored form of a conversation; its messages are stored separately. */
export interface StoredConversation {
  base?: Base | undefined;
  isListed: boolean;
  lastSeq: number;
  lastAt: number;
  readSeq: number;
  /** The user's mark on this device, if it lies beyond the last known number; undefined: the server has told its own. */
  readAhead?: number | undefined;
  clearedSeq: number;
  /** The list hides the conversation until it has events above this number. */
  hiddenSeq?: number;
  peerReadSeq: number;
  peerDeliveredSeq: number;
  pinned: boolean;
  muted: boolean;
  preview?: Preview | undefined;
  /** The number of the message that the preview shows; undefined: an unknown number up to `base.lastSeq`. */
  previewSeq?: number | undefined;
  /** The numbers of other users' messages above the base that were not recalled. */
  later: number[];
  /** Recalls above the base, of other users' messages as far as is known: the number of the recall, and of its target. */
  recalls: [seq: number, targetSeq: number][];
  /** A number that a row has to reach to settle a doubt; undefined: there is no doubt. */
  doubtSeq?: number | undefined;
}

export class Conversation {
  readonly kind: ConversationRow["kind"];
  /** The other user of a private conversation. */
  readonly peerId: string | undefined;
  #state: StoredConversation = {
    ...{ isListed: false, lastSeq: 0, lastAt: 0, readSeq: 0, clearedSeq: 0, peerReadSeq: 0, peerDeliveredSeq: 0 },
    ...{ pinned: false, muted: false, later: [], recalls: [] },
  };

  constructor(
    readonly conversationId: string,
    readonly userId: string | undefined,
    readonly window: MessageWindow,
    stored?: StoredConversation,
  ) {
    const parts = parseConversationId(conversationId);
    this.kind = parts?.kind ?? "private";
    if (parts?.kind === "private") this.peerId = parts.userIds.find((id) => id !== userId) ?? userId;
    if (stored !== undefined) this.#state = stored;
  }

  get stored(): Readonly<StoredConversation> {
    return this.#state;
  }

  /** The number up to which the conversation is read or cleared. */
  get mark(): number {
    return Math.max(this.#state.readSeq, this.#state.clearedSeq);
  }

  /**
   * Returns the number around which messages are shown if the app asks for `around`. A cleared number becomes the first that is
   * not cleared; a number beyond the last becomes undefined, the newest end.
   */
  placeOf(around: number | undefined): number | undefined {
    const { lastSeq, clearedSeq } = this.#state;
    if (around === undefined || !(around <= lastSeq) || lastSeq <= clearedSeq) return undefined;
    return Math.max(around, clearedSeq + 1);
  }

  /** Whether the list shows the conversation: it has events above the number at which the user has hidden it. */
  get isShown(): boolean {
    return this.#state.lastSeq > (this.#state.hiddenSeq ?? 0);
  }

  get unread(): number {
    return this.#count().unread;
  }

  /** Whether the list shows the same as the server would. */
  get isExact(): boolean {
    const { isListed, doubtSeq, lastSeq, later, readSeq, readAhead = 0 } = this.#state;
    const isKnown = isListed && doubtSeq === undefined && later.length <= MOST_LATER && readAhead <= readSeq;
    return lastSeq === 0 || (isKnown && this.#count().isExact);
  }

  /** The list's preview of the newest message; undefined if there is none, or it is cleared. */
  get preview(): Preview | undefined {
    const { preview, previewSeq, clearedSeq, base } = this.#state;
    return (previewSeq ?? base?.lastSeq ?? 0) > clearedSeq ? preview : undefined;
  }

  /**
   * Takes a row of the server.
   * @param hasMarks whether the server had all marks of this device when it wrote the row
   */
  takeRow(row: ConversationRow, hasMarks = true): void {
    const state = this.#state;
    const mark = Math.max(row.readSeq, row.clearedSeq);
    const isNewest = row.lastSeq >= state.lastSeq;
    const { base } = state;
    if (base === undefined || row.lastSeq > base.lastSeq || (row.lastSeq === base.lastSeq && mark >= base.mark)) {
      const later = state.later.filter((seq) => seq > row.lastSeq);
      const recalls = state.recalls.filter(([seq]) => seq > row.lastSeq);
      this.#change({ base: { lastSeq: row.lastSeq, unread: row.unread, mark }, later, recalls });
    }
    if (row.lastSeq >= (state.doubtSeq ?? 0)) this.#change({ doubtSeq: undefined });
    if (hasMarks) this.#change({ readAhead: undefined });
    // The row is older than the last event. That event may have recalled the previewed message, and a newer message may be
    // unknown.
    if (!isNewest && !this.window.covers((state.previewSeq ?? 0) + 1, row.lastSeq)) {
      this.#change({ doubtSeq: state.lastSeq });
    }
    if (isNewest)
      this.#change({ lastSeq: row.lastSeq, lastAt: row.lastAt, preview: row.preview, previewSeq: undefined });
    this.#change({
      isListed: true,
      ...{ pinned: row.pinned, muted: row.muted, hiddenSeq: row.hiddenSeq ?? 0 },
      readSeq: Math.max(state.readSeq, row.readSeq),
      clearedSeq: Math.max(state.clearedSeq, row.clearedSeq),
      peerReadSeq: Math.max(state.peerReadSeq, row.peerReadSeq ?? 0),
      peerDeliveredSeq: Math.max(state.peerDeliveredSeq, row.peerDeliveredSeq ?? 0),
    });
    // The view does not keep cleared messages either.
    if (row.clearedSeq > state.clearedSeq) this.window.dropBelow(row.clearedSeq + 1);
  }

  /** Called when the server has listed all conversations without this one. */
  unlist(): void {
    this.#change({ isListed: false });
  }

  /** Takes an event that was shown to the app. */
  takeEvent(event: Event): void {
    const { base, lastSeq, later, clearedSeq } = this.#state;
    const { seq, sentAt } = event;
    // A device that sees the first event knows that nothing came before it.
    if (base === undefined && seq === 1) this.#change({ base: { lastSeq: 0, unread: 0, mark: 0 } });
    const isLate = seq <= lastSeq;
    if (event.kind === "recall" && event.targetSeq !== undefined) this.#takeRecall(event, event.targetSeq);
    if (seq > clearedSeq) this.window.add(event);
    // A message that was recalled before it came has lost its content in the window.
    const kept = this.window.get(seq) ?? event;
    if (!isLate) this.#change({ lastSeq: seq, lastAt: sentAt });
    if (kept.kind === "message" && seq > clearedSeq) this.#takeMessage(kept);
    if (seq <= Math.max(base?.lastSeq ?? 0, this.mark) || !isCounted(kept, this.userId)) return;
    if (isLate && later.includes(seq)) return;
    this.#change({ later: [...later, seq] });
  }

  /**
   * Drops all but the newest messages. It first writes down the counts that depend on them.
   * @param around the numbers around which the app looks, whose messages stay
   * @returns whether it dropped any
   */
  trim(most: number, around: readonly (number | undefined)[] = []): boolean {
    const { base, recalls } = this.#state;
    const { mark, window, userId } = this;
    if (
      base !== undefined &&
      mark > base.mark &&
      mark < base.lastSeq &&
      recalls.length === 0 &&
      window.covers(mark + 1, base.lastSeq)
    ) {
      const unread = window.countOthers(mark + 1, base.lastSeq, userId);
      this.#change({ base: { lastSeq: base.lastSeq, unread, mark } });
    }
    return window.trim(
      most,
      around.flatMap((one) => this.placeOf(one) ?? []),
    );
  }

  /**
   * Called when the user has read on this device. If the number is beyond the last one, the server has to tell the count: the
   * message may never come.
   */
  read(seq: number): void {
    const { lastSeq, readAhead = 0 } = this.#state;
    if (seq > lastSeq) this.#change({ readAhead: Math.max(seq, readAhead) });
    this.takeReceipt("read", { userId: this.userId ?? "", seq: Math.min(seq, lastSeq) });
  }

  /** Called when a mark has moved. */
  takeReceipt(kind: "read" | "delivered", { userId, seq }: Pick<ReadUpdatePayload, "userId" | "seq">): void {
    const { readSeq, peerReadSeq, peerDeliveredSeq } = this.#state;
    if (userId === this.userId) {
      if (kind !== "read" || seq <= readSeq) return;
      this.#change({ readSeq: seq, later: this.#state.later.filter((one) => one > seq) });
    } else if (this.kind === "private") {
      // A read message was also delivered.
      this.#change({ peerDeliveredSeq: Math.max(peerDeliveredSeq, seq) });
      if (kind === "read") this.#change({ peerReadSeq: Math.max(peerReadSeq, seq) });
    }
  }

  #change(change: Partial<StoredConversation>): void {
    this.#state = { ...this.#state, ...change };
  }

  #takeMessage(event: Event): void {
    const { previewSeq, base } = this.#state;
    if (event.seq > (previewSeq ?? base?.lastSeq ?? 0))
      this.#change({ preview: previewOf(event), previewSeq: event.seq });
  }

  #takeRecall({ seq, senderId }: Event, targetSeq: number): void {
    const { base, later, preview, previewSeq, recalls } = this.#state;
    if (later.includes(targetSeq)) this.#change({ later: later.filter((one) => one !== targetSeq) });
    // A base that includes the recall was counted without its target, and does not show the target.
    if (seq <= (base?.lastSeq ?? 0)) return;
    const target = this.window.get(targetSeq);
    const isPreviewed = previewSeq === undefined ? isLike(preview, target) : previewSeq === targetSeq;
    if (isPreviewed && preview !== undefined) this.#change({ preview: { ...preview, text: "" } });
    // Only the next row can tell for certain whether the preview of the row showed this message.
    if (previewSeq === undefined && preview !== undefined && preview.text !== "") this.#change({ doubtSeq: seq });
    const isOwn =
      target === undefined ? this.kind === "private" && senderId === this.userId : target.senderId === this.userId;
    if (!isOwn && !recalls.some(([one]) => one === seq)) this.#change({ recalls: [...recalls, [seq, targetSeq]] });
  }

  #count(): { unread: number; isExact: boolean } {
    const { base, later, recalls } = this.#state;
    const { mark, window, userId } = this;
    const laterOnes = later.filter((seq) => seq > mark).length;
    if (base === undefined) return { unread: laterOnes, isExact: false };
    if (mark >= base.lastSeq) return { unread: laterOnes, isExact: true };
    const takenBack = recalls.filter(([, targetSeq]) => targetSeq > mark && targetSeq <= base.lastSeq).length;
    if (mark === base.mark && takenBack === 0) return { unread: base.unread + laterOnes, isExact: true };
    if (window.covers(mark + 1, base.lastSeq)) {
      return { unread: window.countOthers(mark + 1, base.lastSeq, userId) + laterOnes, isExact: true };
    }
    const most = Math.min(base.unread, base.lastSeq - mark);
    return { unread: Math.max(0, most - takenBack) + laterOnes, isExact: false };
  }
}

/** Returns the beginning of a text; an empty text for other types, whose content only the app understands. */
function previewOf({ senderId, contentType, content }: Event): Preview {
  const text = contentType === "text" && content !== undefined ? Array.from(content).slice(0, PREVIEW_CHARACTERS) : [];
  return { senderId, contentType, text: text.join("") };
}

/** Returns whether a preview may show this message: in doubt the view does not show a recalled message. */
function isLike(preview: Preview | undefined, event: Event | undefined): boolean {
  if (preview === undefined || event?.kind !== "message") return false;
  const { senderId, text } = previewOf(event);
  return preview.senderId === senderId && preview.text === text;
}
