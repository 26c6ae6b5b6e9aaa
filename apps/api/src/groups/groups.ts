/**
 * Groups, as people change them: the rule is decided and the change is written in one transaction; then the owner of
 * the conversation is told, and only when history has the event is the change answered. When the owner does not
 * answer, the change is made all the same: the relay tells him later, and who asks again finds it done.
 */
import { randomId, uuidv7 } from "@carillon/base";
import type { ChangeTeller } from "@carillon/bus";
import { CarillonError, Command, encodeFrame, isGroupId, splitSystemContent } from "@carillon/protocol";
import type { ChangedGroup, FactQueries, Group, GroupMember, GroupQueries } from "@carillon/store";
import { acceptRequest, addMember, type Rule } from "./rules";

const GROUP_ID_LENGTH = 12;

export interface GroupContext {
  groups: GroupQueries;
  facts: Pick<FactQueries, "users">;
  /** Members that a group may have, and up to how many it is small. */
  groupLimits: { members: number; writeFanOut: number };
  /** Tells the owner of the conversation that the group has changed; resolves when its history has the events. */
  tellOwner(groupId: string): Promise<void>;
  changes: Pick<ChangeTeller, "notify">;
  now(): number;
}

export interface GroupWishes {
  groupId?: string;
  name: string;
  joinPolicy: Group["joinPolicy"];
  members?: string[];
}

/** @throws CarillonError BAD_PAYLOAD, CONFLICT (the id is taken), NO_SUCH_USER, FORBIDDEN (too many), BUSY */
export async function createGroup(context: GroupContext, ownerId: string, wishes: GroupWishes): Promise<Group> {
  const { groups, groupLimits, now } = context;
  const groupId = wishes.groupId ?? randomId(GROUP_ID_LENGTH);
  if (!isGroupId(groupId)) throw new CarillonError("BAD_PAYLOAD", "groupId: this id is reserved");
  const memberIds = [...new Set(wishes.members ?? [])].filter((userId) => userId !== ownerId);
  if (memberIds.length + 1 > groupLimits.members) {
    throw new CarillonError("FORBIDDEN", `a group has at most ${groupLimits.members} members`);
  }
  await mustExist(context, memberIds);
  const { name, joinPolicy } = wishes;
  const wanted = { groupId, name, joinPolicy, ownerId, memberIds };
  const created = await groups.create(wanted, uuidv7(now()), now(), groupLimits.writeFanOut);
  const group = await groups.find(groupId);
  // Who asks again after a lost answer gets the group that he made.
  const { length: versions } = splitSystemContent({ type: "created", userIds: memberIds });
  const isMine = group?.ownerId === ownerId && group.name === name && group.version === versions;
  if (created === undefined && !isMine) throw new CarillonError("CONFLICT", "this group id is taken");
  if (created !== undefined) tellDevices(context, created);
  await context.tellOwner(groupId);
  return group!;
}

/** @returns `asked` when an admin has to let him in first */
export async function joinGroup(
  context: GroupContext,
  actorId: string,
  groupId: string,
  userId: string,
): Promise<"joined" | "asked"> {
  const { groups, groupLimits, now } = context;
  await mustExist(context, [userId]);
  if (actorId === userId) {
    const group = await groups.find(groupId);
    if (group === undefined) throw new CarillonError("NOT_FOUND", "no such group");
    const isMember = (await groups.member(groupId, userId))?.isPresent === true;
    if (group.joinPolicy === "approval" && !isMember && !group.dissolved) {
      await groups.ask(groupId, userId, now());
      return "asked";
    }
  }
  await changeGroup(context, actorId, groupId, [userId], addMember(actorId, userId, groupLimits.members));
  return "joined";
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

/** Makes a change by a rule, and waits until history has it. @throws CarillonError of the rule, NOT_FOUND, BUSY */
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
  const changed = await context.groups.change(groupId, change, rule);
  if (changed === undefined) throw new CarillonError("NOT_A_MEMBER");
  tellDevices(context, changed);
  // Also when nothing was to be changed: the one before may have died before it told the owner.
  await context.tellOwner(groupId);
}

/** Those whose belonging, role or mute was changed learn it at once also of a group that they do not look at. */
function tellDevices({ changes }: GroupContext, { about, changedAt }: ChangedGroup): void {
  if (about.length === 0) return;
  changes.notify(about, encodeFrame(Command.CHANGED, 0, { what: "groups", version: changedAt }));
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

async function mustExist({ facts }: GroupContext, userIds: string[]): Promise<void> {
  const found = await facts.users(userIds);
  const missing = userIds.find((id) => found.get(id) === undefined || found.get(id)!.status === "deleted");
  if (missing !== undefined) throw new CarillonError("NO_SUCH_USER", `there is no user ${missing}`);
}
