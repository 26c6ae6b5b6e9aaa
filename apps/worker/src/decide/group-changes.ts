/**
 * Which changes of groups are in the log, and under which numbers: MySQL learns them only when they are archived.
 * An entry may go when its last change is archived and old enough; then MySQL knows.
 */
import { getOrSet } from "@carillon/base";

interface Entry {
  /** Number of the event by the version that the change made. */
  seqs: Map<number, number>;
  version: number;
  /** Log position of the last change. */
  position: number;
  /** When it was stored, ms. */
  storedAt: number;
}

export class GroupChanges {
  /** In order of the last change. */
  private readonly entries = new Map<string, Entry>();

  /** Highest version of the group whose event is in the log, as far as it is not archived; 0: none. */
  version(conversationId: string): number {
    return this.entries.get(conversationId)?.version ?? 0;
  }

  /** Number of the event of that change; undefined when only MySQL can know it. */
  seqOf(conversationId: string, version: number): number | undefined {
    return this.entries.get(conversationId)?.seqs.get(version);
  }

  add(conversationId: string, version: number, seq: number, position: number, storedAt: number): void {
    const entry = getOrSet(this.entries, conversationId, () => ({ seqs: new Map(), version, position, storedAt }));
    entry.seqs.set(version, seq);
    Object.assign(entry, { version, position, storedAt });
    this.entries.delete(conversationId);
    this.entries.set(conversationId, entry);
  }

  prune(olderThan: number, archived: number): void {
    for (const [conversationId, entry] of this.entries) {
      if (entry.storedAt >= olderThan || entry.position > archived) return;
      this.entries.delete(conversationId);
    }
  }
}
