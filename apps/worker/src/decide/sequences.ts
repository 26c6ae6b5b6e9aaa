/**
 * The last number of each conversation, as far as the owner of its partition knows it.
 *
 * From the log: an entry may go when its last event is archived and old enough; then the archive's highest number
 * decides. From the archive: only the owner appends, so what the archive said about a conversation stays true until the
 * owner appends to it. That is kept, within bounds, so that MySQL is asked once about a conversation and not once a round.
 */

import { type Age, UnarchivedMap } from "./unarchived";

/** Conversations whose number in the archive is remembered: about 20 MB for a partition. */
const MOST_ARCHIVED = 100_000;

export class Sequences {
  private readonly entries = new UnarchivedMap<string, number>();
  /** In the order in which they were learned: the oldest is forgotten first. */
  private readonly archive = new Map<string, number>();

  constructor(private readonly mostArchived = MOST_ARCHIVED) {}

  get size(): number {
    return this.entries.size;
  }

  /** The conversations written to last, at most so many. */
  newest(most: number): string[] {
    return [...this.entries.keys()].slice(-most);
  }

  /** The last number of a conversation that the log holds, or undefined when only the archive can tell. */
  last(conversationId: string): number | undefined {
    return this.entries.get(conversationId);
  }

  /** The last number of a conversation that only the archive knows, as it was told; undefined when it was not asked. */
  archived(conversationId: string): number | undefined {
    return this.archive.get(conversationId);
  }

  /**
   * Remembers the archive's highest number of a conversation. The owner must have asked for it, and less than the time
   * ago for which entries stay: an answer that is older may be of before an event that the log has forgotten since.
   */
  learn(conversationId: string, seq: number): void {
    if (!this.entries.has(conversationId)) this.keep(conversationId, seq);
  }

  set(conversationId: string, seq: number, age: Age): void {
    this.archive.delete(conversationId);
    this.entries.set(conversationId, seq, age);
  }

  prune(olderThan: number, archived: number): void {
    this.entries.prune(olderThan, archived, (conversationId, seq) => this.keep(conversationId, seq));
  }

  private keep(conversationId: string, seq: number): void {
    this.archive.delete(conversationId);
    this.archive.set(conversationId, seq);
    if (this.archive.size <= this.mostArchived) return;
    const [oldest] = this.archive.keys();
    this.archive.delete(oldest!);
  }
}
