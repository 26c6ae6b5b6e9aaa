/** Creating groups and entering them, over HTTP. */
import { randomId } from "@carillon/base";
import {
  addMember,
  digestOfWishes,
  findMade,
  type GroupWishes,
  joinOpen,
  makeGroup,
  mayBring,
  mayLetBack,
  membersOf,
  mustNotBeBanned,
} from "@carillon/operations";
import { CarillonError, isGroupId } from "@carillon/protocol";
import type { Group } from "@carillon/store";
import { mustPay } from "../../http/must-pay";
import type { ApiParts } from "../../parts";
import { changeGroup, spend } from "./change-group";
import { invite, sortBrought } from "./invitations";
import { ask } from "./requests";

const GROUP_ID_LENGTH = 12;

/** The users who joined a new group, and the users who were invited to it. */
export interface CreatedGroup {
  group: Group;
  invited: string[];
  /** False: the same request has made it before. */
  isNew: boolean;
}

/**
 * Creates a group. The same request with an id again returns the group as it is now, and changes nothing.
 * @throws CarillonError BAD_PAYLOAD, CONFLICT (the id is taken), NO_SUCH_USER, FORBIDDEN (too many), NOT_FRIENDS, BLOCKED, BUSY
 */
export async function createGroup(api: ApiParts, ownerId: string, wishes: GroupWishes): Promise<CreatedGroup> {
  const { members: most } = api.groupLimits;
  const { name, joinPolicy, groupId = randomId(GROUP_ID_LENGTH) } = wishes;
  if (!isGroupId(groupId)) throw new CarillonError("BAD_PAYLOAD", "groupId: this id is reserved");
  const digest = digestOfWishes(ownerId, wishes);
  const before = await findMade(api, groupId, digest);
  const others = membersOf(ownerId, wishes);
  if (before !== undefined) return madeBefore(api, ownerId, before, others);
  if (others.length + 1 > most) throw new CarillonError("FORBIDDEN", `a group has at most ${most} members`);
  const { join: memberIds, invite: asked, drop } = await sortBrought(api, ownerId, groupId, others);
  spend(api, ownerId, memberIds.length + 1);
  const isNew = await makeGroup(api, { groupId, name, joinPolicy, ownerId, memberIds, digest });
  // When the id was taken meanwhile: by this request, or another request has it.
  const group = (await findMade(api, groupId, digest))!;
  if (!isNew) return madeBefore(api, ownerId, group, others);
  await invite(api, ownerId, groupId, asked);
  await api.owners.groupChanged(groupId);
  // In the order of the request, so that the answer does not tell which users were asked.
  return { group, isNew, invited: others.filter((userId) => asked.includes(userId) || drop.includes(userId)) };
}

/** Finishes what an earlier request began: the owner invites the users who never joined. */
async function madeBefore(api: ApiParts, makerId: string, group: Group, others: string[]): Promise<CreatedGroup> {
  const { groupId } = group;
  const came = await api.groups.everMembers(groupId, others);
  const invited = others.filter((userId) => !came.has(userId));
  if (group.ownerId === makerId && !group.dissolved) {
    const willing = await sortBrought(api, makerId, groupId, invited).catch(nobodyWhenRefused);
    await invite(api, makerId, groupId, willing.invite);
  }
  await api.owners.groupChanged(groupId);
  return { group, isNew: false, invited };
}

/** A user has left, or blocks meanwhile: the first answer stays valid. */
function nobodyWhenRefused(error: unknown): { invite: string[] } {
  if (error instanceof CarillonError && error.name !== "BUSY") return { invite: [] };
  throw error;
}

/** The outcome for a user who was to join a group. */
export type Joining = "joined" | "asked" | "invited";

/**
 * Lets a user join a group.
 * @returns `asked` when an admin has to accept them first
 * @throws CarillonError NOT_FOUND, FORBIDDEN (full; refused recently), BANNED, RATE_LIMITED
 */
export async function joinGroup(api: ApiParts & ApiParts, userId: string, groupId: string): Promise<Joining> {
  const { groups, groupLimits } = api;
  const group = await groups.find(groupId);
  if (group === undefined) throw new CarillonError("NOT_FOUND", "no such group");
  const member = await groups.member(groupId, userId);
  const isMember = member?.isPresent === true;
  if (!isMember) limitChurn(api, groupId, userId);
  if (group.joinPolicy === "approval" && !isMember && !group.dissolved) {
    mustNotBeBanned(member);
    await ask(api, groupId, userId);
    return "asked";
  }
  await changeGroup(api, userId, groupId, [userId], joinOpen(userId, groupLimits.members));
  return "joined";
}

/**
 * Brings another user into a group. The rights of the acting user are checked first: an outsider learns neither which users
 * belong to a group, nor which users exist.
 * @returns `invited` when the other user wants to be asked
 * @throws CarillonError NOT_A_MEMBER, FORBIDDEN, GROUP_DISSOLVED, NO_SUCH_USER, NOT_FRIENDS, BLOCKED, BANNED (only an admin
 *   brings a removed user back), RATE_LIMITED
 */
export async function bringIn(api: ApiParts, actorId: string, groupId: string, userId: string): Promise<Joining> {
  const { groups, groupLimits } = api;
  const [group, actor, member] = await Promise.all([
    groups.find(groupId),
    groups.member(groupId, actorId),
    groups.member(groupId, userId),
  ]);
  if (group === undefined) throw new CarillonError("NOT_A_MEMBER");
  const known = { group, member: () => actor };
  mayBring(known, actorId);
  if (member?.isPresent !== true) {
    mayLetBack(known, actorId, member);
    limitChurn(api, groupId, userId);
    const sorted = await sortBrought(api, actorId, groupId, [userId]);
    await invite(api, actorId, groupId, sorted.invite);
    if (sorted.join.length === 0) return "invited";
  }
  await changeGroup(api, actorId, groupId, [userId], addMember(actorId, userId, groupLimits.members));
  return "joined";
}

/** Limits how often a user may enter the same group: each entry leaves two events in its history, and a stay. */
function limitChurn({ comings }: ApiParts, groupId: string, userId: string): void {
  mustPay(comings.take(`${groupId} ${userId}`));
}
