/**
 * Whoever deletes his account leaves his groups, one by one; those that he owns go to an admin, or to another member, and
 * one without anybody else is dissolved. Done again after a crash, it goes on where it stopped.
 */
import { dissolve, removeMember, transfer } from "@carillon/operations";
import { changeGroup, type GroupContext } from "./change-group";

const GROUPS_AT_ONCE = 100;

export async function leaveAllGroups(context: GroupContext, userId: string): Promise<void> {
  const { groups } = context;
  while (true) {
    const found = await groups.groupsOf(userId, GROUPS_AT_ONCE);
    if (found.length === 0) return groups.departed(userId);
    for (const { groupId, ownerId } of found) {
      if (ownerId !== userId || (await giveAway(context, groupId, userId))) {
        await changeGroup(context, userId, groupId, [userId], removeMember(userId, userId));
      }
    }
  }
}

/** @returns false when nobody was there, and the group is dissolved */
async function giveAway(context: GroupContext, groupId: string, ownerId: string): Promise<boolean> {
  const heir = await context.groups.successor(groupId, ownerId);
  if (heir === undefined) await changeGroup(context, ownerId, groupId, [], dissolve(ownerId, context.now()));
  else await changeGroup(context, ownerId, groupId, [heir], transfer(ownerId, heir));
  return heir !== undefined;
}
