/**
 * The newest events of large groups: the members fetch them all at the same time, and the archive is a moment behind. This is
 * only a copy: missing events are read from the archive.
 */

import { keys } from "./keys";
import type { RedisStore } from "./redis-store";
import { asBuffer } from "./redis-store";

/** Number of newest events kept for a group. */
const KEEPS = 500;
/** After this time without an event, s, a group is read from the archive. */
const IDLE_SECONDS = 3_600;
/** Time for which cleared numbers are remembered, s: 500 events of a large group hardly last longer. */
const CLEARED_SECONDS = 30 * 24 * 3_600;

export class RecentEvents {
  constructor(private readonly redis: RedisStore) {}

  /** @param events in the order of the conversation */
  async add(conversationId: string, events: { seq: number; event: Uint8Array }[]): Promise<void> {
    const args = events.flatMap(({ seq, event }) => [seq, asBuffer(event)]);
    await this.redis.script("recent", [keys.recent(conversationId)], [KEEPS, IDLE_SECONDS, ...args]);
  }

  /** Remembers the number up to which a user has cleared the conversation, for as long as its events can be here. */
  async clear(conversationId: string, userId: string, upTo: number): Promise<void> {
    await this.redis.setHashField(keys.cleared(conversationId), userId, upTo, CLEARED_SECONDS);
  }

  /** Returns the number up to which a user has cleared the conversation, according to `clear`; 0: none. */
  async clearedUpTo(conversationId: string, userId: string): Promise<number> {
    const [[upTo]] = (await this.redis.hashFieldsOfMany([{ key: keys.cleared(conversationId), fields: [userId] }])) as [
      [string | null],
    ];
    return Number(upTo ?? 0);
  }

  /** Returns the events of a range that are here, ascending; both ends inclusive. */
  async read(conversationId: string, from: number, to: number): Promise<{ seq: number; event: Uint8Array }[]> {
    const found = await this.redis.scored(keys.recent(conversationId), [from, to]);
    return found.map(([seq, event]) => ({ seq, event }));
  }
}
