/**
 * How the messages of a conversation lie in the storage: in blocks of numbers, so that a new message costs the writing
 * of some others, not of all, and old blocks are deleted as a whole.
 */
import type { Event } from "@carillon/protocol";
import type { SeqRange } from "../../order/holes";
import type { MessageWindow } from "./window";

const BLOCK = 32;

/** What of a window is kept: its newest events, and the numbers that they cover. */
export interface KeptMessages {
  range: SeqRange | undefined;
  /** By number of the block; undefined: there is none any more. */
  blocks: Map<number, Event[] | undefined>;
}

export class MessageBlocks {
  readonly #changed = new Set<number>();

  /** @param stored numbers of the blocks that lie in the storage */
  constructor(private stored = new Set<number>()) {}

  /** Something about these numbers is other than before. */
  touch(...seqs: number[]): void {
    for (const seq of seqs) this.#changed.add(Math.floor(seq / BLOCK));
  }

  /** Nothing of what is stored is known to be right. */
  touchAll(): void {
    this.stored.clear();
  }

  /**
   * What has to be written now; it counts as written then.
   * @param most events that are kept
   */
  take(window: MessageWindow, most: number): KeptMessages {
    const { newest, shown } = window;
    const events = shown.slice(Math.max(0, shown.length - most));
    const isCut = events.length < shown.length;
    const range: SeqRange | undefined = newest && [isCut ? (events[0]?.seq ?? newest[1]) : newest[0], newest[1]];
    const wanted = new Map<number, Event[]>();
    for (const event of events) {
      const block = Math.floor(event.seq / BLOCK);
      wanted.set(block, [...(wanted.get(block) ?? []), event]);
    }
    const blocks = new Map<number, Event[] | undefined>();
    for (const block of this.stored) if (!wanted.has(block)) blocks.set(block, undefined);
    for (const [block, inside] of wanted) {
      if (this.#changed.has(block) || !this.stored.has(block)) blocks.set(block, inside);
    }
    this.stored = new Set(wanted.keys());
    this.#changed.clear();
    return { range, blocks };
  }
}
