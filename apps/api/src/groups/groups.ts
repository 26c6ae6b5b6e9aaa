/** Groups, as people make them and come into them. */
import { randomId, uuidv7 } from "@carillon/base";
import { CarillonError, isGroupId, splitSystemContent } from "@carillon/protocol";
import type { Group, GroupMember } from "@carillon/store";
import { changeGroup, type GroupContext, spend, tellDevices } from "./change-group";
import { type InvitationContext, invite, sortBrought } from "./invitations";
import { acceptRequest, addMember, joinOpen, mayBring } from "./rules";

const GROUP_ID_LENGTH = 12;

export interface GroupWishes {
  groupId?: string;
  name: string;
  joinPolicy: Group["joinPolicy"];
  members?: string[];
}

/** Who came into a new group, and who is asked whether they want to. */
export interface CreatedGroup {
  group: Group;
  invited: string[];
}

/**
 * @throws CarillonError BAD_PAYLOAD, CONFLICT (the id is taken), NO_SUCH_USER, FORBIDDEN (too many), NOT_FRIENDS, BLOCKED,
 *   BUSY
 */
export async function createGroup(
  context: InvitationContext,
  ownerId: string,
  wishes: GroupWishes,
): Promise<CreatedGroup> {
  const { groups, groupLimits, now } = context;
  const groupId = wishes.groupId ?? randomId(GROUP_ID_LENGTH);
  if (!isGroupId(groupId)) throw new CarillonError("BAD_PAYLOAD", "groupId: this id is reserved");
  const others = [...new Set(wishes.members ?? [])].filter((userId) => userId !== ownerId);
  if (others.length + 1 > groupLimits.members) {
    throw new CarillonError("FORBIDDEN", `a group has at most ${groupLimits.members} members`);
  }
  const { join: memberIds, invite: asked, drop } = await sortBrought(context, ownerId, groupId, others);
  spend(context, ownerId, memberIds.length + 1);
  const { name, joinPolicy } = wishes;
  const wanted = { groupId, name, joinPolicy, ownerId, memberIds };
  const created = await groups.create(wanted, uuidv7(now()), now(), groupLimits.writeFanOut);
  const group = await groups.find(groupId);
  // A user who asks again after a lost answer gets the group that they made.
  const { length: versions } = splitSystemContent({ type: "created", userIds: memberIds });
  const isMine = group?.ownerId === ownerId && group.name === name && group.version === versions;
  if (created === undefined && !isMine) throw new CarillonError("CONFLICT", "this group id is taken");
  if (created !== undefined) tellDevices(context, created);
  await invite(context, ownerId, groupId, asked);
  await context.tellOwner(groupId);
  // In the order of the wish, so that it does not tell who is which.
  return { group: group!, invited: others.filter((userId) => asked.includes(userId) || drop.includes(userId)) };
}

/** What became of somebody who was to come into a group. */
export type Joining = "joined" | "asked" | "invited";

/** Comes into a group by oneself. @returns `asked` when an admin has to let them in first */
export async function joinGroup(context: InvitationContext, userId: string, groupId: string): Promise<Joining> {
  const { groups, groupLimits, now } = context;
  const group = await groups.find(groupId);
  if (group === undefined) throw new CarillonError("NOT_FOUND", "no such group");
  const isMember = (await groups.member(groupId, userId))?.isPresent === true;
  if (!isMember) limitChurn(context, groupId, userId);
  if (group.joinPolicy === "approval" && !isMember && !group.dissolved) {
    await groups.ask(groupId, userId, now());
    return "asked";
  }
  await changeGroup(context, userId, groupId, [userId], joinOpen(userId, groupLimits.members));
  return "joined";
}

/**
 * Brings somebody else into a group. What the one who acts may do is looked at first: an outsider learns neither who
 * belongs to a group, nor who exists.
 * @returns `invited` when the other one wants to be asked
 * @throws CarillonError NOT_A_MEMBER, FORBIDDEN, GROUP_DISSOLVED, NO_SUCH_USER, NOT_FRIENDS, BLOCKED, RATE_LIMITED
 */
export async function bringIn(
  context: InvitationContext,
  actorId: string,
  groupId: string,
  userId: string,
): Promise<Joining> {
  const { groups, groupLimits } = context;
  const [group, actor, member] = await Promise.all([
    groups.find(groupId),
    groups.member(groupId, actorId),
    groups.member(groupId, userId),
  ]);
  if (group === undefined) throw new CarillonError("NOT_A_MEMBER");
  mayBring({ group, member: () => actor }, actorId);
  if (member?.isPresent !== true) {
    limitChurn(context, groupId, userId);
    const sorted = await sortBrought(context, actorId, groupId, [userId]);
    await invite(context, actorId, groupId, sorted.invite);
    if (sorted.join.length === 0) return "invited";
  }
  await changeGroup(context, actorId, groupId, [userId], addMember(actorId, userId, groupLimits.members));
  return "joined";
}

/** How often the same user may come into the same group: each time leaves two events in its history, and a stay. */
function limitChurn({ comings }: InvitationContext, groupId: string, userId: string): void {
  const retryAfterMs = comings.take(`${groupId} ${userId}`);
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
}

/** Lets somebody in who asked, or not. */
export async function answerRequest(
  context: GroupContext,
  actorId: string,
  groupId: string,
  userId: string,
  isAccepted: boolean,
): Promise<void> {
  const { groups, groupLimits } = context;
  await mustBeAdmin(context, actorId, groupId);
  if (!isAccepted) return groups.forgetRequest(groupId, userId);
  const isMember = (await groups.member(groupId, userId))?.isPresent === true;
  if (!isMember && !(await groups.hasAsked(groupId, userId))) {
    throw new CarillonError("NOT_FOUND", "nobody of that id asked");
  }
  await changeGroup(context, actorId, groupId, [userId], acceptRequest(actorId, userId, groupLimits.members));
}

/** @throws CarillonError NOT_A_MEMBER, also for a group that does not exist */
export async function mustBeMember(context: GroupContext, userId: string, groupId: string): Promise<GroupMember> {
  const member = await context.groups.member(groupId, userId);
  if (member?.isPresent !== true) throw new CarillonError("NOT_A_MEMBER");
  return member;
}

export async function mustBeAdmin(context: GroupContext, userId: string, groupId: string): Promise<void> {
  const { role } = await mustBeMember(context, userId, groupId);
  if (role === "member") throw new CarillonError("FORBIDDEN", "only the group's admins may do this");
}
