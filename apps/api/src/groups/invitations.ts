/** Invitations: bringing others into groups, and what those who are asked answer. */
import type { Budgets } from "@carillon/base";
import { acceptInvitation, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { InvitationQueries } from "@carillon/store";
import { type Bringing, type BringingPolicy, bringing } from "./bringing";
import { changeGroup, type GroupContext } from "./change-group";

export interface InvitationContext extends GroupContext {
  invitations: InvitationQueries;
  bringingPolicy: BringingPolicy;
  /** How often each user may come into each group. */
  comings: Budgets;
}

/**
 * How each of these users would come into a group.
 * @throws CarillonError NO_SUCH_USER, NOT_FRIENDS, BLOCKED
 */
export async function sortBrought(
  { invitations, bringingPolicy }: InvitationContext,
  actorId: string,
  groupId: string,
  userIds: string[],
): Promise<Record<Bringing, string[]>> {
  const facts = await invitations.facts(actorId, groupId, userIds);
  const known = new Map(facts.map((one) => [one.userId, one]));
  const sorted: Record<Bringing, string[]> = { join: [], invite: [], drop: [] };
  for (const userId of userIds) {
    const one = known.get(userId);
    if (one === undefined) throw new CarillonError("NO_SUCH_USER", `there is no user ${userId}`);
    sorted[bringing(one, bringingPolicy)].push(userId);
  }
  return sorted;
}

/** Asks users whether they want to belong to a group; their devices hear that there is something new about groups. */
export async function invite(
  { invitations, changes, now }: InvitationContext,
  actorId: string,
  groupId: string,
  userIds: string[],
): Promise<void> {
  const version = now();
  const invited = await invitations.invite(groupId, actorId, userIds, version);
  tellGroups(changes, invited, version);
}

/** @throws CarillonError NOT_FOUND when nobody invites (any more), FORBIDDEN (full) */
export async function acceptInvited(context: InvitationContext, userId: string, groupId: string): Promise<void> {
  const { invitations, groups, groupLimits } = context;
  const inviterId = await invitations.inviterOf(userId, groupId);
  if (inviterId === undefined) {
    // Asked again after a lost answer.
    if ((await groups.member(groupId, userId))?.isPresent === true) return;
    throw new CarillonError("NOT_FOUND", "there is no such invitation");
  }
  const rule = acceptInvitation(userId, inviterId, groupLimits.members);
  await changeGroup(context, userId, groupId, [userId, inviterId], rule);
}
