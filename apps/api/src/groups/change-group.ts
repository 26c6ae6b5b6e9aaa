/**
 * One change of a group: the rule is decided and the change is written in one transaction; then the owner of the
 * conversation is told, and only when history has the event is the change answered. When the owner does not answer, the
 * change is made all the same: the relay tells them later, and who asks again finds it done.
 */
import { type Budgets, uuidv7 } from "@carillon/base";
import type { ChangeTeller } from "@carillon/bus";
import { CarillonError, Command, encodeFrame } from "@carillon/protocol";
import type { ChangedGroup, GroupQueries } from "@carillon/store";
import type { Rule } from "./rules";

export interface GroupContext {
  groups: GroupQueries;
  /** What the changes of each user cost the members of groups. */
  recipients: Budgets;
  /** Members that a group may have, and up to how many it is small. */
  groupLimits: { members: number; writeFanOut: number };
  /** Tells the owner of the conversation that the group has changed; resolves when its history has the events. */
  tellOwner(groupId: string): Promise<void>;
  changes: Pick<ChangeTeller, "notify">;
  now(): number;
}

/**
 * Makes a change by a rule, and waits until history has it.
 * @throws CarillonError of the rule, NOT_A_MEMBER, RATE_LIMITED, BUSY
 */
export async function changeGroup(
  context: GroupContext,
  actorId: string,
  groupId: string,
  involved: string[],
  rule: Rule,
): Promise<void> {
  const now = context.now();
  const { writeFanOut } = context.groupLimits;
  const change = { actorId, clientMsgId: uuidv7(now), involved, now, writeFanOut };
  const changed = await context.groups.change(groupId, change, (locked) => {
    const edit = rule(locked);
    if (edit !== undefined) spend(context, actorId, locked.group.memberCount);
    return edit;
  });
  if (changed === undefined) throw new CarillonError("NOT_A_MEMBER");
  tellDevices(context, changed);
  // Also when nothing was to be changed: the one before may have died before it told the owner.
  await context.tellOwner(groupId);
}

/** Those whose belonging, role or mute was changed learn it at once also of a group that they do not look at. */
export function tellDevices({ changes }: GroupContext, { about, changedAt }: ChangedGroup): void {
  if (about.length === 0) return;
  changes.notify(about, encodeFrame(Command.CHANGED, 0, { what: "groups", version: changedAt }));
}

/** A change is told to all members: it costs its maker what it costs them. @throws CarillonError RATE_LIMITED */
export function spend({ recipients }: GroupContext, userId: string, members: number): void {
  const retryAfterMs = recipients.take(userId, members);
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
}
