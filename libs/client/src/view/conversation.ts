/**
 * One conversation of the view: what the server last counted, and what has happened since. Pure.
 *
 * The idea: a row of SYNC counts everything up to its `lastSeq` exactly (`base`). Events above it are counted here, so
 * it does not matter whether an event comes before or after the row that includes it. Marks only move forward, the
 * highest holds, wherever it comes from.
 *
 * What cannot be known from base and events is counted from the messages at hand, where they reach back far enough.
 * Where they do not (another device has read a part of hundreds of messages, a message that is not at hand was taken
 * back), the number is the best that is known, `isExact` is false, and the next row tells.
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
/** Beyond so many numbers above the base, the server is asked for another base. */
const MOST_LATER = 500;

/** What the server has counted. */
interface Base {
  lastSeq: number;
  unread: number;
  /** The number above which it counted. */
  mark: number;
}

/** What is stored of a conversation; the messages are stored apart. */
export interface StoredConversation {
  base?: Base | undefined;
  isListed: boolean;
  lastSeq: number;
  lastAt: number;
  readSeq: number;
  /** Up to where the user has read on this device, where that is beyond what was here; undefined: the server has told. */
  readAhead?: number | undefined;
  clearedSeq: number;
  /** In no list until there is more than this. */
  hiddenSeq?: number;
  peerReadSeq: number;
  peerDeliveredSeq: number;
  pinned: boolean;
  muted: boolean;
  preview?: Preview | undefined;
  /** Number of the message that the preview shows; undefined: somewhere up to `base.lastSeq`. */
  previewSeq?: number | undefined;
  /** Messages of others above the base, not recalled. */
  later: number[];
  /** What was taken back above the base, of others as far as is known: number of the recall, and of its target. */
  recalls: [seq: number, targetSeq: number][];
  /** Something happened that only a row can tell which goes up to this number. */
  doubtSeq?: number | undefined;
}

export class Conversation {
  readonly kind: ConversationRow["kind"];
  /** The other one of a private conversation. */
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

  /** Up to where it is read or cleared. */
  get mark(): number {
    return Math.max(this.#state.readSeq, this.#state.clearedSeq);
  }

  /**
   * The number around which messages are shown when the app asks for this one: a cleared number becomes the first that is
   * not cleared; a number beyond the last becomes undefined, the newest end.
   */
  placeOf(around: number | undefined): number | undefined {
    const { lastSeq, clearedSeq } = this.#state;
    if (around === undefined || !(around <= lastSeq) || lastSeq <= clearedSeq) return undefined;
    return Math.max(around, clearedSeq + 1);
  }

  /** Whether it stands in the list: something was said, behind where the user has hidden it. */
  get isShown(): boolean {
    return this.#state.lastSeq > (this.#state.hiddenSeq ?? 0);
  }

  get unread(): number {
    return this.#count().unread;
  }

  /** Whether the list shows what the server would tell. */
  get isExact(): boolean {
    const { isListed, doubtSeq, lastSeq, later, readSeq, readAhead = 0 } = this.#state;
    const isKnown = isListed && doubtSeq === undefined && later.length <= MOST_LATER && readAhead <= readSeq;
    return lastSeq === 0 || (isKnown && this.#count().isExact);
  }

  /** What the list shows of the newest message; undefined when there is none, or it is cleared. */
  get preview(): Preview | undefined {
    const { preview, previewSeq, clearedSeq, base } = this.#state;
    return (previewSeq ?? base?.lastSeq ?? 0) > clearedSeq ? preview : undefined;
  }

  /**
   * The server has told how the conversation stands.
   * @param hasMarks whether it was read when the server had all that the user has read on this device
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
    // It was read before the last event, which may have taken back what it shows; and nobody knows of a newer message.
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
    // What the user has cleared is not kept either.
    if (row.clearedSeq > state.clearedSeq) this.window.dropBelow(row.clearedSeq + 1);
  }

  /** The server has told all conversations, and not this one. */
  unlist(): void {
    this.#change({ isListed: false });
  }

  /** An event was shown. */
  takeEvent(event: Event): void {
    const { base, lastSeq, later, clearedSeq } = this.#state;
    const { seq, sentAt } = event;
    // Who sees the first event knows how it began.
    if (base === undefined && seq === 1) this.#change({ base: { lastSeq: 0, unread: 0, mark: 0 } });
    const isLate = seq <= lastSeq;
    if (event.kind === "recall" && event.targetSeq !== undefined) this.#takeRecall(event, event.targetSeq);
    if (seq > clearedSeq) this.window.add(event);
    // What was taken back before it came has lost its content there.
    const kept = this.window.get(seq) ?? event;
    if (!isLate) this.#change({ lastSeq: seq, lastAt: sentAt });
    if (kept.kind === "message" && seq > clearedSeq) this.#takeMessage(kept);
    if (seq <= Math.max(base?.lastSeq ?? 0, this.mark) || !isCounted(kept, this.userId)) return;
    if (isLate && later.includes(seq)) return;
    this.#change({ later: [...later, seq] });
  }

  /**
   * Lets go of all but the newest messages. What is counted from them is written down before.
   * @param around where the app looks besides
   * @returns whether any went
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

  /** The user has read on this device. What is not here yet is the server's to tell: it may never come. */
  read(seq: number): void {
    const { lastSeq, readAhead = 0 } = this.#state;
    if (seq > lastSeq) this.#change({ readAhead: Math.max(seq, readAhead) });
    this.takeReceipt("read", { userId: this.userId ?? "", seq: Math.min(seq, lastSeq) });
  }

  /** A mark has moved. */
  takeReceipt(kind: "read" | "delivered", { userId, seq }: Pick<ReadUpdatePayload, "userId" | "seq">): void {
    const { readSeq, peerReadSeq, peerDeliveredSeq } = this.#state;
    if (userId === this.userId) {
      if (kind !== "read" || seq <= readSeq) return;
      this.#change({ readSeq: seq, later: this.#state.later.filter((one) => one > seq) });
    } else if (this.kind === "private") {
      // What is read was delivered.
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
    // A base that has the recall has counted without its target, and does not show it.
    if (seq <= (base?.lastSeq ?? 0)) return;
    const target = this.window.get(targetSeq);
    const isPreviewed = previewSeq === undefined ? isLike(preview, target) : previewSeq === targetSeq;
    if (isPreviewed && preview !== undefined) this.#change({ preview: { ...preview, text: "" } });
    // Whether the preview of the row was of this message, only the next row can tell for certain.
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

/** The beginning of a text; nothing of other types, whose content only their app understands. */
function previewOf({ senderId, contentType, content }: Event): Preview {
  const text = contentType === "text" && content !== undefined ? Array.from(content).slice(0, PREVIEW_CHARACTERS) : [];
  return { senderId, contentType, text: text.join("") };
}

/** Whether a preview may be of this message: what was taken back is rather not shown. */
function isLike(preview: Preview | undefined, event: Event | undefined): boolean {
  if (preview === undefined || event?.kind !== "message") return false;
  const { senderId, text } = previewOf(event);
  return preview.senderId === senderId && preview.text === text;
}
