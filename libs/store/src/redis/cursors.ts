/** What Redis remembers of devices that never come again: their cursors. */
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export class Cursors {
  constructor(private readonly redis: RedisStore) {}

  /**
   * Forgets cursors that did not move for long; the inboxes that they point into have expired by then, so such a device
   * asks for everything anyway.
   * @param before ms: not moved since then
   * @returns how many
   */
  async forgetOlder(userIds: string[], before: number): Promise<number> {
    let forgotten = 0;
    for (const userId of userIds) {
      const cursors = await this.redis.hashValues(keys.cursors(userId));
      const old = Object.entries(cursors).flatMap(([deviceId, cursor]) => (seenAt(cursor) < before ? [deviceId] : []));
      if (old.length > 0) forgotten += await this.redis.deleteFields(keys.cursors(userId), old);
    }
    return forgotten;
  }
}

/** The last word of "epoch inboxSeq seenAt", ms. */
const seenAt = (cursor: string): number => Number(cursor.slice(cursor.lastIndexOf(" ") + 1));
