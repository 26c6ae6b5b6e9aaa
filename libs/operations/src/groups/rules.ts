/**
 * Who may change what in a group: decided under the lock of the group, so that no two changes can pass each other.
 * Each rule gives the edit, nothing when all is so already, or throws. Pure.
 */
import { CarillonError, type GroupRole, type JoinPolicy } from "@carillon/protocol";
import type { GroupEdit, GroupMember, LockedGroup } from "@carillon/store";
import { mustLieAhead } from "../must-lie-ahead";

export type Rule = (locked: LockedGroup) => GroupEdit | undefined;

const RANK: Record<GroupRole, number> = { member: 0, admin: 1, owner: 2 };

/**
 * Somebody comes by themselves into an open group. To an outsider a group that one cannot come into looks as one that
 * does not exist.
 * @param most members that a group may have
 */
export function joinOpen(userId: string, most: number): Rule {
  return (locked) => {
    if (isPresent(locked.member(userId))) return undefined;
    const { group } = locked;
    if (group.dissolved || group.joinPolicy === "invite") throw new CarillonError("NOT_FOUND", "no such group");
    mustNotBeBanned(locked.member(userId));
    if (group.joinPolicy !== "open") throw new CarillonError("FORBIDDEN", "one has to be let into this group");
    return joining([userId], group.memberCount, most);
  };
}

/** A member brings somebody else in. @param most members that a group may have */
export function addMember(actorId: string, userId: string, most: number): Rule {
  return (locked) => {
    mayBring(locked, actorId);
    const member = locked.member(userId);
    if (isPresent(member)) return undefined;
    mayLetBack(locked, actorId, member);
    return joining([userId], locked.group.memberCount, most);
  };
}

/** Whether a member may bring others in, whoever they are; an outsider learns nothing of the group. */
export function mayBring(locked: LockedGroup, actorId: string): void {
  const actor = memberOf(locked, actorId);
  if (locked.group.joinPolicy !== "open" && actor.role === "member") {
    throw new CarillonError("FORBIDDEN", "only its admins may bring others into this group");
  }
}

/**
 * Whom an admin has removed is kept out until an admin lets them in again, or lifts the ban: they neither come nor ask by
 * themselves, and no other member brings them.
 * @throws CarillonError BANNED
 */
export function mustNotBeBanned(member: GroupMember | undefined): void {
  if (member?.bannedBy !== undefined) throw new CarillonError("BANNED");
}

/** As `mustNotBeBanned`, for one who brings them: an admin may, and lifts the ban by it. */
export function mayLetBack(locked: LockedGroup, actorId: string, member: GroupMember | undefined): void {
  if (memberOf(locked, actorId).role === "member") mustNotBeBanned(member);
}

/** Somebody comes who was invited, as long as the one who invited may still bring others in. */
export function acceptInvitation(userId: string, inviterId: string, most: number): Rule {
  return (locked) => {
    const member = locked.member(userId);
    if (isPresent(member)) return undefined;
    try {
      mayBring(locked, inviterId);
      mayLetBack(locked, inviterId, member);
    } catch {
      throw new CarillonError("NOT_FOUND", "there is no such invitation any more");
    }
    return joining([userId], locked.group.memberCount, most);
  };
}

/** Lets in one who asked. */
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

/** Who does not belong to a group learns nothing about it. */
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
