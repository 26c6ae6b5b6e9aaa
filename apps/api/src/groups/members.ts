/** Who belongs to a group, as far as a question depends on it. */
import { CarillonError } from "@carillon/protocol";
import type { GroupMember, GroupQueries } from "@carillon/store";

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
