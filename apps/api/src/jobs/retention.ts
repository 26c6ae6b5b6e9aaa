/**
 * Deletes messages older than `retention.days`, once an hour, one conversation at a time, so that other work waits only briefly.
 * A run continues where the last one stopped.
 */
import { sleep } from "@carillon/base";
import type { ApiParts } from "../parts";

export const RETENTION_FIRST_MS = 60_000;
export const RETENTION_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
const CONVERSATIONS_AT_ONCE = 200;
/** Between two conversations: the archive writes into the same tables. */
const PAUSE_MS = 20;

/** @throws the first failure, when only failing conversations are left: one conversation delays no other */
export async function deleteExpired(api: ApiParts, signal: AbortSignal): Promise<void> {
  const { retention: queries, config, clock, logger } = api;
  const olderThan = clock.now() - config.retention.days * DAY_MS;
  let [conversations, deleted] = [0, 0];
  while (!signal.aborted) {
    const parts = await queries.expired(olderThan, CONVERSATIONS_AT_ONCE);
    if (parts.length === 0) return;
    await queries.raiseCut(olderThan);
    const failures: unknown[] = [];
    for (const part of parts) {
      if (signal.aborted) return;
      const rows = await queries.purge(part).catch((error: unknown) => void failures.push(error));
      deleted += rows ?? 0;
      conversations++;
      await sleep(PAUSE_MS, signal);
    }
    if (failures.length === parts.length) throw failures[0];
    logger.info({ conversations, deleted, failed: failures.length }, "old messages are being deleted");
  }
}
