/** Removes the cursors of devices that never come back. */
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export class Cursors {
  constructor(private readonly redis: RedisStore) {}

  /**
   * Removes cursors that have not moved for a long time. Their inboxes have expired by then, so such a device has to ask for
   * everything anyway.
   * @param before ms; removes cursors that have not moved since then
   * @returns number of removed cursors
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

/** Returns the last word of "epoch inboxSeq seenAt", ms. */
const seenAt = (cursor: string): number => Number(cursor.slice(cursor.lastIndexOf(" ") + 1));
