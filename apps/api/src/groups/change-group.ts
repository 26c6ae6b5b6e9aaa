/** Changes of groups, as users make them: what a change costs those who are told of it is taken from its maker's budget. */
import type { Budgets } from "@carillon/base";
import { changeByRule, type GroupChanges, type Rule } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";

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
