/**
 * Entries that the owner of a partition remembers until the archive has had them for long. One rule holds for all of them: an
 * entry may go when the event that made it is archived, and is older than any retry or fail-over of MySQL that may ask for it.
 */

/** The age of an entry is that of the event that made it. */
export interface Age {
  /** Log position. */
  position: number;
  /** When the log stored it, ms. */
  storedAt: number;
}

/**
 * @param olderThan ms
 * @param archived log position up to which the archive has had everything for long
 */
export function mayForget({ position, storedAt }: Age, olderThan: number, archived: number): boolean {
  return storedAt < olderThan && position <= archived;
}

/** Values by key, in the order of the last event of each: a key that is set again moves to the end. */
export class UnarchivedMap<K, V> {
  private readonly entries = new Map<K, Age & { value: V }>();

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    return this.entries.get(key)?.value;
  }

  has(key: K): boolean {
    return this.entries.has(key);
  }

  keys(): IterableIterator<K> {
    return this.entries.keys();
  }

  set(key: K, value: V, { position, storedAt }: Age): void {
    this.entries.delete(key);
    this.entries.set(key, { value, position, storedAt });
  }

  /** Forgets what may be forgotten (see `mayForget`). @param onForgotten told of each */
  prune(olderThan: number, archived: number, onForgotten: (key: K, value: V) => void = () => {}): void {
    for (const [key, entry] of this.entries) {
      if (!mayForget(entry, olderThan, archived)) return;
      this.entries.delete(key);
      onForgotten(key, entry.value);
    }
  }
}

/** Messages that were taken back: a message is taken back once. MySQL knows those that are forgotten here. */
export class RecalledMessages {
  private readonly places = new UnarchivedMap<string, true>();

  has(conversationId: string, seq: number): boolean {
    return this.places.has(`${conversationId} ${seq}`);
  }

  add(conversationId: string, seq: number, age: Age): void {
    this.places.set(`${conversationId} ${seq}`, true, age);
  }

  prune(olderThan: number, archived: number): void {
    this.places.prune(olderThan, archived);
  }
}

/** Which changes of groups are in the log, and under which numbers: MySQL learns them only when they are archived. */
export class GroupChanges {
  /** By conversation: its newest version, and the number of the event that made each version. */
  private readonly changes = new UnarchivedMap<string, { version: number; seqs: Map<number, number> }>();

  /** Highest version of the group whose event is in the log, as far as it is not archived; 0: none. */
  version(conversationId: string): number {
    return this.changes.get(conversationId)?.version ?? 0;
  }

  /** Number of the event of that change; undefined when only MySQL can know it. */
  seqOf(conversationId: string, version: number): number | undefined {
    return this.changes.get(conversationId)?.seqs.get(version);
  }

  add(conversationId: string, version: number, seq: number, age: Age): void {
    const seqs = this.changes.get(conversationId)?.seqs ?? new Map<number, number>();
    this.changes.set(conversationId, { version, seqs: seqs.set(version, seq) }, age);
  }

  prune(olderThan: number, archived: number): void {
    this.changes.prune(olderThan, archived);
  }
}
