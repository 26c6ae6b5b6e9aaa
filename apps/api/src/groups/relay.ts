/**
 * Goes on with what an api has begun and not finished, because it died or somebody did not answer: owners are told of
 * changes that nobody told them, and those who deleted their accounts leave their groups. One api does it at a time, by a
 * lease; two would do no harm, since a version is told once.
 */
import type { Logger } from "@carillon/base/node";
import type { Lease } from "@carillon/coordination";
import { leaveAllGroups } from "./departure";
import type { GroupContext } from "./groups";

const EVERY_MS = 2_000;
/** Who committed a change tells it himself at once. */
const PATIENCE_MS = 3_000;
const MOST_AT_ONCE = 100;

export interface RelayOptions {
  lease: Pick<Lease, "acquire">;
  context: GroupContext;
  logger: Logger;
}

export class Relay {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;

  constructor(private readonly options: RelayOptions) {}

  start(): void {
    this.timer = setInterval(() => {
      this.working ??= this.work().finally(() => {
        this.working = undefined;
      });
    }, EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.working;
  }

  private async work(): Promise<void> {
    const { lease, context, logger } = this.options;
    const { groups, tellOwner, now } = context;
    try {
      if (!(await lease.acquire())) return;
      const owed = await groups.owed(now() - PATIENCE_MS, MOST_AT_ONCE);
      // What is owed may be in the log already and only not archived: then the owner has nothing to do.
      for (const conversationId of owed) await tellOwner(conversationId.slice(2));
      for (const userId of await groups.departures(MOST_AT_ONCE)) await leaveAllGroups(context, userId);
    } catch (err) {
      logger.debug({ err }, "changes of groups are told later");
    }
  }
}
