/**
 * Goes on with what an api has begun and not finished, because it died or somebody did not answer: owners are told of
 * changes that nobody told them, and those who deleted their accounts leave their groups.
 */
import { leaveAllGroups } from "./departure";
import type { GroupContext } from "./groups";

export const RELAY_EVERY_MS = 2_000;
/** Who committed a change tells it himself at once. */
const PATIENCE_MS = 3_000;
const MOST_AT_ONCE = 100;

export async function relayGroups(context: GroupContext): Promise<void> {
  const { groups, tellOwner, now } = context;
  const owed = await groups.owed(now() - PATIENCE_MS, MOST_AT_ONCE);
  // What is owed may be in the log already and only not archived: then the owner has nothing to do.
  for (const conversationId of owed) await tellOwner(conversationId.slice(2));
  for (const userId of await groups.departures(MOST_AT_ONCE)) await leaveAllGroups(context, userId);
}
