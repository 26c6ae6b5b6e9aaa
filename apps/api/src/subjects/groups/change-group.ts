/** Changes of groups, as users make them: a change costs its maker what it costs the members who are told of it. */
import type { Budgets } from "@carillon/base";
import { changeByRule, type GroupChanges, type Rule } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { GroupMember, GroupQueries } from "@carillon/store";

export interface GroupContext extends GroupChanges {
  /** What the changes of each user cost the members of groups. */
  recipients: Budgets;
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
  await changeByRule(context, { groupId, actorId, involved }, (locked) => {
    const edit = rule(locked);
    if (edit !== undefined) spend(context, actorId, locked.group.memberCount);
    return edit;
  });
}

/** A change is told to all members: it costs its maker what it costs them. @throws CarillonError RATE_LIMITED */
export function spend({ recipients }: GroupContext, userId: string, members: number): void {
  const retryAfterMs = recipients.take(userId, members);
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
}

/** Who belongs to a group, as far as a question depends on it. */

interface MemberContext {
  groups: Pick<GroupQueries, "member">;
}

/** @throws CarillonError NOT_A_MEMBER, also for a group that does not exist */
export async function mustBeMember({ groups }: MemberContext, userId: string, groupId: string): Promise<GroupMember> {
  const member = await groups.member(groupId, userId);
  if (member?.isPresent !== true) throw new CarillonError("NOT_A_MEMBER");
  return member;
}

/** @throws CarillonError NOT_A_MEMBER, FORBIDDEN */
export async function mustBeAdmin(context: MemberContext, userId: string, groupId: string): Promise<void> {
  const { role } = await mustBeMember(context, userId, groupId);
  if (role === "member") throw new CarillonError("FORBIDDEN", "only the group's admins may do this");
}
