/**
 * One change of a group: the rule is decided and the change is written in one transaction; then the owner of the
 * conversation is told, and only when history has the event is the change answered. When the owner does not answer, the
 * change is made all the same: an api tells them later, and who asks again finds it done.
 */
import { uuidv7 } from "@carillon/base";
import type { ChangeTeller } from "@carillon/bus";
import { CarillonError, Command, encodeFrame } from "@carillon/protocol";
import type { GroupQueries } from "@carillon/store";
import type { Rule } from "./rules";

export interface GroupChanges {
  groups: GroupQueries;
  /** Members that a group may have, and up to how many it is small. */
  groupLimits: { members: number; writeFanOut: number };
  /** Tells the owner of the conversation that the group has changed; resolves when its history has the events. */
  tellOwner(groupId: string): Promise<void>;
  changes: Pick<ChangeTeller, "notify">;
  now(): number;
}

/** Which group, by whom, and what the rule looks at. */
export interface WhichGroup {
  groupId: string;
  /** Undefined: the owner of the group, in whose place operators act. */
  actorId: string | undefined;
  /** Members that the rule asks for, besides the owner and the one who acts. */
  involved: string[];
}

/**
 * Makes a change by a rule, and waits until history has it.
 * @throws CarillonError of the rule, NOT_A_MEMBER (there is no such group), BUSY
 */
export async function changeByRule(context: GroupChanges, which: WhichGroup, rule: Rule): Promise<void> {
  const { groups, groupLimits, changes, tellOwner } = context;
  const { groupId, actorId, involved } = which;
  const now = context.now();
  const change = { actorId, clientMsgId: uuidv7(now), involved, now, writeFanOut: groupLimits.writeFanOut };
  const changed = await groups.change(groupId, change, rule);
  if (changed === undefined) throw new CarillonError("NOT_A_MEMBER");
  tellGroups(changes, changed.about, changed.changedAt);
  // Also when nothing was to be changed: the one before may have died before it told the owner.
  await tellOwner(groupId);
}

/**
 * Tells devices that SYNC has something about groups, or the lists of invitations and requests: those whom a change is about
 * learn it at once also of a group that they do not look at.
 * @param version ms by the database's clock
 */
export function tellGroups(changes: GroupChanges["changes"], userIds: readonly string[], version: number): void {
  if (userIds.length > 0) changes.notify(userIds, encodeFrame(Command.CHANGED, 0, { what: "groups", version }));
}
