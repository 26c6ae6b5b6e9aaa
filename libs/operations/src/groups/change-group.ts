/**
 * Makes one change of a group. One transaction decides the rule and writes the change. Then the owner of the conversation is
 * told, and the change is answered only when history has its event. When the owner does not answer, the change remains: an api
 * tells the owner later, and a caller that repeats the request finds the change done.
 */
import { type Clock, uuidv7 } from "@carillon/base";
import type { ChangeNotifier } from "@carillon/bus";
import { CarillonError, Command, encodeFrame } from "@carillon/protocol";
import type { GroupQueries } from "@carillon/store";
import type { ConversationOwners } from "../conversation-owners";
import type { Rule } from "./rules";

export interface GroupChanges {
  groups: GroupQueries;
  /** Maximum number of members, and the largest number with which a group is small. */
  groupLimits: { members: number; writeFanOut: number };
  owners: Pick<ConversationOwners, "groupChanged">;
  changes: Pick<ChangeNotifier, "notify">;
  clock: Pick<Clock, "now">;
}

/** The group, the acting user, and the members that the rule needs. */
export interface WhichGroup {
  groupId: string;
  /** Undefined: the owner of the group, in whose place an operator acts. */
  actorId: string | undefined;
  /** Members that the rule needs, besides the owner and the acting user. */
  involved: string[];
}

/**
 * Makes a change by a rule, and waits until history has it.
 * @throws CarillonError of the rule, NOT_A_MEMBER (the group does not exist), BUSY
 */
export async function changeByRule(context: GroupChanges, which: WhichGroup, rule: Rule): Promise<void> {
  const { groups, groupLimits, changes, owners, clock } = context;
  const { groupId, actorId, involved } = which;
  const now = clock.now();
  const change = { actorId, clientMsgId: uuidv7(now), involved, now, writeFanOut: groupLimits.writeFanOut };
  const changed = await groups.change(groupId, change, rule);
  if (changed === undefined) throw new CarillonError("NOT_A_MEMBER");
  tellGroups(changes, changed.about, changed.changedAt);
  // Also when there was nothing to change: an earlier caller may have died before it told the owner.
  await owners.groupChanged(groupId);
}

/**
 * Tells devices that SYNC has news about groups, or about the lists of invitations and requests. So the users whom a change
 * concerns learn of it at once, even in a group that they do not look at.
 * @param version ms by the database's clock
 */
export function tellGroups(changes: GroupChanges["changes"], userIds: readonly string[], version: number): void {
  if (userIds.length > 0) changes.notify(userIds, encodeFrame(Command.CHANGED, 0, { what: "groups", version }));
}
