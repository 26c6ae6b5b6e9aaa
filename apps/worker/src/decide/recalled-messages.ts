/**
 * Messages that were taken back, as far as the archive may not know it yet: a message is taken back once. An entry may go
 * when the event that did it is archived and old enough; then MySQL says it.
 */
interface Entry {
  /** Log position of the event that took it back. */
  position: number;
  /** When that was stored, ms. */
  storedAt: number;
}

export class RecalledMessages {
  /** By place, in the order of the log. */
  private readonly entries = new Map<string, Entry>();

  has(conversationId: string, seq: number): boolean {
    return this.entries.has(`${conversationId} ${seq}`);
  }

  add(conversationId: string, seq: number, position: number, storedAt: number): void {
    this.entries.set(`${conversationId} ${seq}`, { position, storedAt });
  }

  prune(olderThan: number, archived: number): void {
    for (const [place, { position, storedAt }] of this.entries) {
      if (storedAt >= olderThan || position > archived) return;
      this.entries.delete(place);
    }
  }
}
