import { changeByRule, type Rule } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { GroupMember } from "@carillon/store";
import { mustPay } from "../../http/must-pay";
import type { ApiParts } from "../../parts";

/**
 * Makes a change by a rule, and waits until history has it.
 * @throws CarillonError of the rule, NOT_A_MEMBER, RATE_LIMITED, BUSY
 */
export async function changeGroup(
  api: ApiParts,
  actorId: string,
  groupId: string,
  involved: string[],
  rule: Rule,
): Promise<void> {
  await changeByRule(api, { groupId, actorId, involved }, (locked) => {
    const edit = rule(locked);
    if (edit !== undefined) spend(api, actorId, locked.group.memberCount);
    return edit;
  });
}

/** A change is told to all members: it costs the acting user what it costs them. @throws CarillonError RATE_LIMITED */
export function spend({ recipients }: ApiParts, userId: string, members: number): void {
  mustPay(recipients.take(userId, members));
}

/** Checks of membership and rights. */

/** @throws CarillonError NOT_A_MEMBER, also for a group that does not exist */
export async function mustBeMember({ groups }: ApiParts, userId: string, groupId: string): Promise<GroupMember> {
  const member = await groups.member(groupId, userId);
  if (member?.isPresent !== true) throw new CarillonError("NOT_A_MEMBER");
  return member;
}

/** @throws CarillonError NOT_A_MEMBER, FORBIDDEN */
export async function mustBeAdmin(api: ApiParts, userId: string, groupId: string): Promise<void> {
  const { role } = await mustBeMember(api, userId, groupId);
  if (role === "member") throw new CarillonError("FORBIDDEN", "only the group's admins may do this");
}
