/**
 * Changes of groups by operators and other systems. They act in the place of the user who owns the group at the moment of the
 * change. So they may do everything that an owner may do, and nothing that would leave a group without an owner. The events say
 * `by: "operator"`. Users are added without being asked, and neither blocks nor bans count: the operator is responsible for that.
 */
import { randomId } from "@carillon/base";
import { CarillonError, isGroupId } from "@carillon/protocol";
import type { Group, GroupEdit, LockedGroup, UserQueries } from "@carillon/store";
import { changeByRule, type GroupChanges } from "./change-group";
import { digestOfWishes, findMade, type GroupWishes, makeGroup, membersOf } from "./new-group";
import type { Rule } from "./rules";

/** Maximum number of members in one call, which one event names. */
export const MOST_MEMBERS_AT_ONCE = 400;
const GROUP_ID_LENGTH = 12;

export interface GroupAdministration extends GroupChanges {
  people: Pick<UserQueries, "names">;
}

/** Result for a user to add: `member` belonged to the group before, `full` says that the group has no room. */
export type Added = "joined" | "member" | "full" | "no-such-user";
/** Result for a user to remove: `absent` was no member, `owner` has to transfer the group first. */
export type Removed = "removed" | "absent" | "owner";

/**
 * Changes a group in the place of its owner.
 * @param involved members that the rule needs, besides the owner
 * @throws CarillonError NOT_FOUND (the group does not exist), GROUP_DISSOLVED, BUSY; errors of the rule
 */
export async function administerGroup(
  context: GroupAdministration,
  groupId: string,
  involved: string[],
  ruleOf: (ownerId: string) => Rule,
): Promise<void> {
  const rule: Rule = (locked) => {
    const edit = ruleOf(locked.group.ownerId)(locked);
    return edit && { ...edit, content: { ...edit.content, by: "operator" } };
  };
  await changeByRule(context, { groupId, actorId: undefined, involved }, rule).catch((error: unknown) => {
    if (error instanceof CarillonError && error.name === "NOT_A_MEMBER") throw noSuchGroup();
    throw error;
  });
}

/** @throws CarillonError NOT_FOUND */
export async function findGroup({ groups }: Pick<GroupChanges, "groups">, groupId: string): Promise<Group> {
  const group = await groups.find(groupId);
  if (group === undefined) throw noSuchGroup();
  return group;
}

/** An id for a group whose creator has chosen none. */
export function newGroupId(): string {
  return randomId(GROUP_ID_LENGTH);
}

/**
 * Creates a group with its members for an owner. Repeating a request with an id returns the group in its present state.
 * @throws CarillonError BAD_PAYLOAD, CONFLICT (the id is taken), NO_SUCH_USER, FORBIDDEN (too many), BUSY
 */
export async function makeGroupFor(
  context: GroupAdministration,
  ownerId: string,
  wishes: GroupWishes,
): Promise<{ group: Group; isNew: boolean }> {
  const { name, joinPolicy, groupId = newGroupId() } = wishes;
  if (!isGroupId(groupId)) throw new CarillonError("BAD_PAYLOAD", "groupId: this id is reserved");
  const digest = digestOfWishes(ownerId, wishes);
  const before = await findMade(context, groupId, digest);
  if (before === undefined) {
    const memberIds = membersOf(ownerId, wishes);
    const { members } = context.groupLimits;
    if (memberIds.length + 1 > members) throw new CarillonError("FORBIDDEN", `a group has at most ${members} members`);
    const [stranger] = missing(await there(context, [ownerId, ...memberIds]), [ownerId, ...memberIds]);
    if (stranger !== undefined) throw new CarillonError("NO_SUCH_USER", `there is no user ${stranger}`);
    await makeGroup(context, { groupId, name, joinPolicy, ownerId, memberIds, digest, by: "operator" });
  }
  // Another request may have created it just now: then it was the same request, or another one took the id.
  const group = await findMade(context, groupId, digest);
  await context.owners.groupChanged(groupId);
  return { group: group!, isNew: before === undefined };
}

/** Adds users to a group, all by one event. @throws CarillonError NOT_FOUND, GROUP_DISSOLVED, BUSY */
export async function addMembers(
  context: GroupAdministration,
  groupId: string,
  userIds: string[],
): Promise<Map<string, Added>> {
  const known = await there(context, userIds);
  const outcomes = new Map<string, Added>(userIds.map((userId) => [userId, "no-such-user"]));
  await administerGroup(context, groupId, [...known], () => (locked) => {
    const sorted = sortAdded(locked, [...known], context.groupLimits.members);
    for (const [userId, outcome] of sorted) outcomes.set(userId, outcome);
    return joining(sorted);
  });
  return outcomes;
}

/** Removes users from a group, all by one event. @throws CarillonError NOT_FOUND, GROUP_DISSOLVED, BUSY */
export async function removeMembers(
  context: GroupAdministration,
  groupId: string,
  userIds: string[],
): Promise<Map<string, Removed>> {
  let outcomes = new Map<string, Removed>();
  await administerGroup(context, groupId, userIds, () => (locked) => {
    outcomes = sortRemoved(locked, userIds);
    return leaving(outcomes);
  });
  return outcomes;
}

/** Decides in the given order which users to add, as long as there is room. Pure. @param most maximum number of members */
export function sortAdded({ group, member }: LockedGroup, userIds: string[], most: number): Map<string, Added> {
  let room = group.dissolved ? refuseDissolved() : most - group.memberCount;
  return new Map(
    [...new Set(userIds)].map((userId): [string, Added] => {
      if (member(userId)?.isPresent === true) return [userId, "member"];
      return [userId, room-- > 0 ? "joined" : "full"];
    }),
  );
}

/** Decides which of these users to remove. Pure. */
export function sortRemoved({ group, member }: LockedGroup, userIds: string[]): Map<string, Removed> {
  if (group.dissolved) refuseDissolved();
  return new Map(
    [...new Set(userIds)].map((userId): [string, Removed] => {
      const found = member(userId);
      if (found?.isPresent !== true) return [userId, "absent"];
      return [userId, found.role === "owner" ? "owner" : "removed"];
    }),
  );
}

function joining(sorted: Map<string, Added>): GroupEdit | undefined {
  const userIds = [...sorted.keys()].filter((userId) => sorted.get(userId) === "joined");
  if (userIds.length === 0) return undefined;
  return { content: { type: "joined", userIds }, join: userIds.map((userId) => ({ userId, role: "member" })) };
}

function leaving(sorted: Map<string, Removed>): GroupEdit | undefined {
  const userIds = [...sorted.keys()].filter((userId) => sorted.get(userId) === "removed");
  return userIds.length === 0 ? undefined : { content: { type: "removed", userIds }, leave: userIds };
}

/** Returns the users of the list who have an account. */
async function there({ people }: GroupAdministration, userIds: string[]): Promise<Set<string>> {
  const names = await people.names(userIds);
  return new Set(userIds.filter((userId) => names.get(userId)?.isDeleted === false));
}

function missing(known: ReadonlySet<string>, userIds: string[]): string[] {
  return userIds.filter((userId) => !known.has(userId));
}

function refuseDissolved(): never {
  throw new CarillonError("GROUP_DISSOLVED");
}

function noSuchGroup(): CarillonError {
  return new CarillonError("NOT_FOUND", "no such group");
}
