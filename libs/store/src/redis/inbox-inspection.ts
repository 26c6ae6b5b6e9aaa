/** Inboxes and cursors as operators look at them: unlike the calls of the workers, these make and move nothing. */
import type { InboxHead } from "./inboxes";
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export interface InspectedInbox extends InboxHead {
  /** Whether the inbox belongs to this life of Redis; a former one is not served any more. */
  isCurrent: boolean;
  /** What it holds, ascending. */
  events: [inboxSeq: number, event: Uint8Array][];
}

/** @returns undefined when the user has no inbox */
export async function inspectInbox(redis: RedisStore, userId: string): Promise<InspectedInbox | undefined> {
  // The head first: what comes between the two calls is then above it, and not missing.
  const { run, epoch, seq } = await redis.hashValues(keys.head(userId));
  if (epoch === undefined) return undefined;
  const events = await redis.scored(keys.inbox(userId));
  return { epoch, seq: Number(seq), isCurrent: run === (await redis.run()), events };
}

/** Where each device of a user stands, by device. */
export async function inspectCursors(redis: RedisStore, userId: string): Promise<Map<string, InboxHead>> {
  const entries = Object.entries(await redis.hashValues(keys.cursors(userId)));
  return new Map(
    entries.map(([deviceId, value]) => {
      const [epoch, seq] = value.split(" ") as [string, string];
      return [deviceId, { epoch, seq: Number(seq) }];
    }),
  );
}
