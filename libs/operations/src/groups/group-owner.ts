import { partitionOf } from "@carillon/base";
import { ask, type Bus, type OwnerQuestion, subjects } from "@carillon/bus";
import { groupConversationId } from "@carillon/protocol";

/**
 * Tells the owner of a group's conversation that the group has changed; resolves when its history has the events.
 * @throws CarillonError BUSY when no owner answers
 */
export async function tellGroupOwner(bus: Bus, partitions: number, groupId: string): Promise<void> {
  const subject = subjects.owner(partitionOf(groupConversationId(groupId), partitions));
  await ask<OwnerQuestion, unknown>(bus, subject, { ask: "group-changed", groupId });
}
