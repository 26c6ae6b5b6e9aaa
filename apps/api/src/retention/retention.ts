/**
 * Deletes what is older than `retention.days`, once an hour. One api does it at a time, by a lease; two would do no harm.
 * It goes on where it stopped, since what is gone is gone; a conversation at a time, so that nothing else waits for long.
 */
import { sleep } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import type { Lease } from "@carillon/coordination";
import type { RetentionQueries } from "@carillon/store";

const FIRST_MS = 60_000;
const EVERY_MS = 3_600_000;
const CONVERSATIONS_AT_ONCE = 200;
/** Between two conversations: the archive writes into the same tables. */
const PAUSE_MS = 20;

export interface RetentionOptions {
  lease: Pick<Lease, "acquire">;
  queries: RetentionQueries;
  keepMs: number;
  now(): number;
  logger: Logger;
  firstMs?: number;
}

export class Retention {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: RetentionOptions) {}

  start(): void {
    this.running = this.run();
  }

  /** Finishes the conversation under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { logger, firstMs = FIRST_MS } = this.options;
    const { signal } = this.stopping;
    for (let waitMs = firstMs; ; waitMs = EVERY_MS) {
      await sleep(waitMs, signal);
      if (signal.aborted) return;
      await this.purge().catch((err: Error) => logger.warn({ err }, "old messages are deleted later"));
    }
  }

  private async purge(): Promise<void> {
    const { lease, queries, keepMs, now, logger } = this.options;
    const { signal } = this.stopping;
    if (!(await lease.acquire())) return;
    const olderThan = now() - keepMs;
    let [conversations, deleted] = [0, 0];
    for (let found = 1; found > 0 && !signal.aborted; ) {
      const parts = await queries.expired(olderThan, CONVERSATIONS_AT_ONCE);
      found = parts.length;
      for (const part of parts) {
        if (signal.aborted) break;
        deleted += await queries.purge(part);
        conversations++;
        await sleep(PAUSE_MS, signal);
      }
      if (found > 0) logger.info({ conversations, deleted }, "old messages are being deleted");
    }
  }
}
