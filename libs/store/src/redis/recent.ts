/**
 * The newest events of large groups: their members fetch what is said, all at the same time, and the archive is a
 * moment behind. Only a copy: what is not here is read from the archive.
 */
import { asBuffer } from "./buffers";
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

/** Newest events that are kept of a group. */
const KEEPS = 500;
/** A group in which nothing is said for so long is read from the archive. */
const IDLE_SECONDS = 3_600;

export class RecentEvents {
  constructor(private readonly redis: RedisStore) {}

  /** @param events in the order of the conversation */
  async add(conversationId: string, events: { seq: number; event: Uint8Array }[]): Promise<void> {
    const args = events.flatMap(({ seq, event }) => [seq, asBuffer(event)]);
    await this.redis.script("recent", [keys.recent(conversationId)], [KEEPS, IDLE_SECONDS, ...args]);
  }

  /** Those of a range that are here, ascending; both ends inclusive. */
  async read(conversationId: string, from: number, to: number): Promise<{ seq: number; event: Uint8Array }[]> {
    const found = await this.redis.scored(keys.recent(conversationId), [from, to]);
    return found.map(([seq, event]) => ({ seq, event }));
  }
}
