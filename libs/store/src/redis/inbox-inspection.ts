/** Reads inboxes and cursors for operators. Unlike the calls of the workers, these calls create and move nothing. */
import type { InboxHead } from "./inboxes";
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export interface InspectedInbox extends InboxHead {
  /** Whether the inbox belongs to this life of Redis; an inbox of a former life is no longer served. */
  isCurrent: boolean;
  /** Its events, ascending. */
  events: [inboxSeq: number, event: Uint8Array][];
}

/** @returns undefined when the user has no inbox */
export async function inspectInbox(redis: RedisStore, userId: string): Promise<InspectedInbox | undefined> {
  // The head first, so that events that arrive between the two calls are above it and not missing.
  // The field `run` has the life of Redis in which the inbox began.
  const { run, epoch, seq } = await redis.hashValues(keys.head(userId));
  if (epoch === undefined) return undefined;
  const events = await redis.scored(keys.inbox(userId));
  return { epoch, seq: Number(seq), isCurrent: run === (await redis.life()), events };
}

/** Returns the cursor of each device of a user. */
export async function inspectCursors(redis: RedisStore, userId: string): Promise<Map<string, InboxHead>> {
  const entries = Object.entries(await redis.hashValues(keys.cursors(userId)));
  return new Map(
    entries.map(([deviceId, value]) => {
      const [epoch, seq] = value.split(" ") as [string, string];
      return [deviceId, { epoch, seq: Number(seq) }];
    }),
  );
}
