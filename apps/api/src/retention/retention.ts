/**
 * Deletes what is older than `retention.days`, once an hour. It goes on where it stopped, since what is gone is gone; a
 * conversation at a time, so that nothing else waits for long.
 */
import { sleep } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import type { RetentionQueries } from "@carillon/store";

export const RETENTION_FIRST_MS = 60_000;
export const RETENTION_EVERY_MS = 3_600_000;
const CONVERSATIONS_AT_ONCE = 200;
/** Between two conversations: the archive writes into the same tables. */
const PAUSE_MS = 20;

export interface RetentionContext {
  queries: RetentionQueries;
  keepMs: number;
  now(): number;
  logger: Logger;
}

export async function deleteExpired(context: RetentionContext, signal: AbortSignal): Promise<void> {
  const { queries, keepMs, now, logger } = context;
  const olderThan = now() - keepMs;
  let [conversations, deleted] = [0, 0];
  for (let found = 1; found > 0 && !signal.aborted; ) {
    const parts = await queries.expired(olderThan, CONVERSATIONS_AT_ONCE);
    found = parts.length;
    if (found > 0) await queries.raiseCut(olderThan);
    for (const part of parts) {
      if (signal.aborted) break;
      deleted += await queries.purge(part);
      conversations++;
      await sleep(PAUSE_MS, signal);
    }
    if (found > 0) logger.info({ conversations, deleted }, "old messages are being deleted");
  }
}
