/** Relations and groups of the view, from SYNC. The class is pure. */

import { getOrSet } from "@carillon/base";
import type { GroupRow, RelationRow } from "@carillon/protocol";
import type { People, Person } from "./snapshots";

export class PeopleList {
  readonly #relations = new Map<string, Person>();
  /** The groups, including groups that the user has left: their names are the titles of conversations. */
  readonly #groups = new Map<string, GroupRow>();
  #snapshot: People | undefined;

  /** The same object until something changes. */
  get people(): People {
    this.#snapshot ??= {
      relations: [...this.#relations.values()].sort((a, b) => compare(a.name, b.name) || compare(a.userId, b.userId)),
      groups: this.#present.sort((a, b) => compare(a.name, b.name) || compare(a.groupId, b.groupId)),
    };
    return this.#snapshot;
  }

  /** The numbers of relations and groups, counted as SYNC counts them. */
  get counts(): { relations: number; groups: number } {
    return { relations: this.#relations.size, groups: this.#present.length };
  }

  /** The ids of all rows, including groups that the user has left. */
  get ids(): { persons: Iterable<string>; groups: Iterable<string> } {
    return { persons: this.#relations.keys(), groups: this.#groups.keys() };
  }

  person(userId: string): Person | undefined {
    return this.#relations.get(userId);
  }

  group(groupId: string): GroupRow | undefined {
    return this.#groups.get(groupId);
  }

  /**
   * Takes rows of SYNC.
   * @param all undefined: there may be more rows. Otherwise the rows are complete, except for these ids, whose rows stay as they
   *   were
   * @returns the ids of changed relations; a relation that has ended is removed
   */
  takeRelations(rows: readonly RelationRow[], all?: ReadonlySet<string>): string[] {
    const told = new Set(rows.map(({ userId }) => userId));
    const known = all === undefined ? [] : [...this.#relations.keys()];
    const ended = known.filter((userId) => !told.has(userId) && !all?.has(userId));
    for (const row of rows) {
      if (row.state === "none") ended.push(row.userId);
      else this.#relations.set(row.userId, { ...row, name: row.remark || row.displayName || row.userId });
    }
    for (const userId of ended) this.#relations.delete(userId);
    const changed = [...new Set([...told, ...ended])];
    if (changed.length > 0) this.#snapshot = undefined;
    return changed;
  }

  /** Takes rows of SYNC like `takeRelations`; a group that the user has left stays, without a role. */
  takeGroups(rows: readonly GroupRow[], all?: ReadonlySet<string>): string[] {
    const told = new Set(rows.map(({ groupId }) => groupId));
    const known = all === undefined ? [] : this.#present;
    const left = known.filter(({ groupId }) => !told.has(groupId) && !all?.has(groupId));
    for (const { role: _, ...former } of left) this.#groups.set(former.groupId, former);
    for (const row of rows) {
      // The server does not tell the name to a user who has left.
      const name = row.name || (this.#groups.get(row.groupId)?.name ?? "");
      this.#groups.set(row.groupId, { ...row, name });
    }
    const changed = [...told, ...left.map(({ groupId }) => groupId)];
    if (changed.length > 0) this.#snapshot = undefined;
    return changed;
  }

  get #present(): GroupRow[] {
    return [...this.#groups.values()].filter(({ role, dissolved }) => role !== undefined && dissolved !== true);
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The users who are typing, by conversation: a hint fades if it is not renewed. */

/** The life of a hint, ms; a device renews it every 3 s while its user types. */
const FADES_MS = 6_000;

export class TypingList {
  readonly #timers = new Map<string, Map<string, ReturnType<typeof setTimeout>>>();

  /** @param onChange is called when a user has begun or stopped to type in this conversation */
  constructor(private readonly onChange: (conversationId: string) => void) {}

  /** Returns the users who are typing in a conversation, by id. */
  in(conversationId: string): string[] {
    return [...(this.#timers.get(conversationId)?.keys() ?? [])].sort();
  }

  begin(conversationId: string, userId: string): void {
    const timers = getOrSet(this.#timers, conversationId, () => new Map());
    const isNew = !timers.has(userId);
    clearTimeout(timers.get(userId));
    timers.set(
      userId,
      setTimeout(() => this.end(conversationId, userId), FADES_MS),
    );
    if (isNew) this.onChange(conversationId);
  }

  /** Called when the user's message has come, or the hint has faded. */
  end(conversationId: string, userId: string): void {
    const timers = this.#timers.get(conversationId);
    if (!timers?.has(userId)) return;
    clearTimeout(timers.get(userId));
    timers.delete(userId);
    if (timers.size === 0) this.#timers.delete(conversationId);
    this.onChange(conversationId);
  }

  stop(): void {
    for (const timers of this.#timers.values()) for (const timer of timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
