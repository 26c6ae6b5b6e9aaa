/**
 * The last number of each conversation that the log knows. An entry may go when its last event is archived and old
 * enough; then the archive's highest number decides.
 */
interface Entry {
  seq: number;
  /** Log position of the last event. */
  position: number;
  /** When it was stored, ms. */
  storedAt: number;
}

export class Sequences {
  /** In order of the last event: a conversation that gets one moves to the end. */
  private readonly entries = new Map<string, Entry>();

  get size(): number {
    return this.entries.size;
  }

  /** The conversations written to last, at most so many. */
  newest(most: number): string[] {
    return [...this.entries.keys()].slice(-most);
  }

  /** The last number of a conversation, or undefined when only the archive can tell. */
  last(conversationId: string): number | undefined {
    return this.entries.get(conversationId)?.seq;
  }

  set(conversationId: string, seq: number, position: number, storedAt: number): void {
    this.entries.delete(conversationId);
    this.entries.set(conversationId, { seq, position, storedAt });
  }

  prune(olderThan: number, archived: number): void {
    for (const [conversationId, entry] of this.entries) {
      if (entry.storedAt >= olderThan || entry.position > archived) return;
      this.entries.delete(conversationId);
    }
  }
}
