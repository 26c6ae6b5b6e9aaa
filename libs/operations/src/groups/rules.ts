/**
 * The rights of members in a group. They are decided under the lock of the group, so that two changes cannot cross.
 * Each rule returns the edit, or nothing when there is nothing to change, or throws. Pure.
 */
import { CarillonError, type GroupRole, type JoinPolicy } from "@carillon/protocol";
import type { GroupEdit, GroupMember, LockedGroup } from "@carillon/store";
import { mustLieAhead } from "../cluster-parts";

export type Rule = (locked: LockedGroup) => GroupEdit | undefined;

const RANK: Record<GroupRole, number> = { member: 0, admin: 1, owner: 2 };

/**
 * A user joins an open group. To an outsider, a group that they cannot join looks like a group that does not exist.
 * @param most maximum number of members
 */
export function joinOpen(userId: string, most: number): Rule {
  return (locked) => {
    if (isPresent(locked.member(userId))) return undefined;
    const { group } = locked;
    if (group.dissolved || group.joinPolicy === "invite") throw new CarillonError("NOT_FOUND", "no such group");
    mustNotBeBanned(locked.member(userId));
    if (group.joinPolicy !== "open") throw new CarillonError("FORBIDDEN", "an admin of this group must let you in");
    return joining([userId], group.memberCount, most);
  };
}

/** A member adds another user. @param most maximum number of members */
export function addMember(actorId: string, userId: string, most: number): Rule {
  return (locked) => {
    mayBring(locked, actorId);
    const member = locked.member(userId);
    if (isPresent(member)) return undefined;
    mayLetBack(locked, actorId, member);
    return joining([userId], locked.group.memberCount, most);
  };
}

/** Checks that a member may add users at all; an outsider learns nothing about the group. */
export function mayBring(locked: LockedGroup, actorId: string): void {
  const actor = memberOf(locked, actorId);
  if (locked.group.joinPolicy !== "open" && actor.role === "member") {
    throw new CarillonError("FORBIDDEN", "only the group's admins may add members");
  }
}

/**
 * Refuses a user whom an admin has removed, until an admin adds them again or lifts the ban: such a user can neither join nor
 * request to join, and members without a rank cannot add them.
 * @throws CarillonError BANNED
 */
export function mustNotBeBanned(member: GroupMember | undefined): void {
  if (member?.bannedBy !== undefined) throw new CarillonError("BANNED");
}

/** As `mustNotBeBanned`, for a member who adds the user: an admin may do that, which lifts the ban. */
export function mayLetBack(locked: LockedGroup, actorId: string, member: GroupMember | undefined): void {
  if (memberOf(locked, actorId).role === "member") mustNotBeBanned(member);
}

/** An invited user joins, as long as the inviting member may still add users. */
export function acceptInvitation(userId: string, inviterId: string, most: number): Rule {
  return (locked) => {
    const member = locked.member(userId);
    if (isPresent(member)) return undefined;
    try {
      mayBring(locked, inviterId);
      mayLetBack(locked, inviterId, member);
    } catch {
      throw new CarillonError("NOT_FOUND", "this invitation does not exist any more");
    }
    return joining([userId], locked.group.memberCount, most);
  };
}

/** An admin accepts a request to join. */
export function acceptRequest(actorId: string, userId: string, most: number): Rule {
  return (locked) => {
    atLeast(locked, actorId, "admin");
    if (isPresent(locked.member(userId))) return undefined;
    return joining([userId], locked.group.memberCount, most);
  };
}

function joining(userIds: string[], present: number, most: number): GroupEdit {
  if (present + userIds.length > most) throw new CarillonError("FORBIDDEN", `a group has at most ${most} members`);
  return {
    content: { type: "joined", userIds },
    join: userIds.map((userId) => ({ userId, role: "member" })),
  };
}

export function removeMember(actorId: string, userId: string): Rule {
  return (locked) => {
    if (actorId === userId) return leave(locked, userId);
    const actor = atLeast(locked, actorId, "admin");
    const member = locked.member(userId);
    if (!isPresent(member)) return undefined;
    outranks(actor, member);
    return { content: { type: "removed", userIds: [userId] }, leave: [userId] };
  };
}

function leave(locked: LockedGroup, userId: string): GroupEdit | undefined {
  const member = locked.member(userId);
  if (member === undefined) throw hidden();
  if (!member.isPresent) return undefined;
  if (member.role === "owner") {
    throw new CarillonError("CONFLICT", "the owner cannot leave: transfer the group, or dissolve it");
  }
  return { content: { type: "left" }, leave: [userId] };
}

export function changeMember(
  actorId: string,
  userId: string,
  change: { role?: "admin" | "member"; mutedUntil?: number },
  now: number,
): Rule {
  return (locked) => {
    const { role, mutedUntil } = change;
    const actor = atLeast(locked, actorId, role === undefined ? "admin" : "owner");
    const member = locked.member(userId);
    if (!isPresent(member)) throw new CarillonError("NOT_FOUND", "no such member");
    outranks(actor, member);
    if (role !== undefined) {
      if (role === member.role) return undefined;
      return { content: { type: "role", userId, role }, members: [{ userId, role }] };
    }
    if (mutedUntil === undefined || mutedUntil === member.mutedUntil) return undefined;
    mustLieAhead("mutedUntil", mutedUntil, now);
    return { content: { type: "member-muted", userId, until: mutedUntil }, members: [{ userId, mutedUntil }] };
  };
}

export function transfer(actorId: string, userId: string): Rule {
  return (locked) => {
    if (locked.group.ownerId === userId && isPresent(locked.member(actorId))) return undefined;
    atLeast(locked, actorId, "owner");
    if (!isPresent(locked.member(userId))) throw new CarillonError("NOT_FOUND", "no such member");
    return {
      content: { type: "transferred", userId },
      set: { ownerId: userId },
      members: [
        { userId: actorId, role: "admin" },
        { userId, role: "owner" },
      ],
    };
  };
}

export interface ProfileChange {
  name?: string;
  notice?: string;
  joinPolicy?: JoinPolicy;
}

export function changeProfile(actorId: string, change: ProfileChange): Rule {
  return (locked) => {
    atLeast(locked, actorId, "admin");
    const { group } = locked;
    const news = Object.entries(change).filter(([key, value]) => group[key as keyof ProfileChange] !== value);
    if (news.length === 0) return undefined;
    const set = Object.fromEntries(news) as ProfileChange;
    return { content: { type: "profile", ...set }, set };
  };
}

export function muteAll(actorId: string, muted: boolean): Rule {
  return (locked) => {
    atLeast(locked, actorId, "admin");
    if (locked.group.muted === muted) return undefined;
    return { content: { type: "muted", muted }, set: { muted } };
  };
}

export function dissolve(actorId: string, now: number): Rule {
  return (locked) => {
    const member = locked.member(actorId);
    if (!isPresent(member)) throw hidden();
    if (locked.group.dissolved) return undefined;
    atLeast(locked, actorId, "owner");
    return { content: { type: "dissolved" }, set: { dissolvedAt: now } };
  };
}

/** Refuses a user who is no member, because outsiders learn nothing about a group. */
function hidden(): CarillonError {
  return new CarillonError("NOT_A_MEMBER");
}

function isPresent(member: GroupMember | undefined): member is GroupMember {
  return member?.isPresent === true;
}

function memberOf(locked: LockedGroup, userId: string): GroupMember {
  const member = locked.member(userId);
  if (!isPresent(member)) throw hidden();
  if (locked.group.dissolved) throw new CarillonError("GROUP_DISSOLVED");
  return member;
}

function atLeast(locked: LockedGroup, userId: string, role: GroupRole): GroupMember {
  const member = memberOf(locked, userId);
  if (RANK[member.role] < RANK[role]) throw new CarillonError("FORBIDDEN", `only the group's ${role} may do this`);
  return member;
}

function outranks(actor: GroupMember, other: GroupMember): void {
  if (RANK[actor.role] <= RANK[other.role]) {
    throw new CarillonError("FORBIDDEN", "this member has the same rank, or a higher one");
  }
}
