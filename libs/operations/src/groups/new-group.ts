/**
 * Creates a group under an id that the caller has chosen. Repeating the request returns the group that it created, whatever its
 * present state. The comparison uses a stored digest of the first request, not the present state of the group.
 */
import { createHash } from "node:crypto";
import { uuidv7 } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";
import type { Group, NewGroup } from "@carillon/store";
import { type GroupChanges, tellGroups } from "./change-group";

/** The request; members in any order, with or without the owner. */
export interface GroupWishes {
  groupId?: string;
  name: string;
  joinPolicy: Group["joinPolicy"];
  members?: string[];
}

/** Members besides the owner, each once. */
export function membersOf(ownerId: string, { members = [] }: GroupWishes): string[] {
  return [...new Set(members)].filter((userId) => userId !== ownerId);
}

/** SHA-256 in hex; equal for requests that ask for the same group. */
export function digestOfWishes(ownerId: string, wishes: GroupWishes): string {
  const { name, joinPolicy } = wishes;
  const text = JSON.stringify([ownerId, name, joinPolicy, membersOf(ownerId, wishes).sort()]);
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Returns the group that the same request has created before.
 * @returns undefined when the id is free
 * @throws CarillonError CONFLICT when another request took it
 */
export async function findMade(
  { groups }: Pick<GroupChanges, "groups">,
  groupId: string,
  digest: string,
): Promise<Group | undefined> {
  const group = await groups.find(groupId);
  if (group === undefined || (await groups.requestDigest(groupId)) === digest) return group;
  throw new CarillonError("CONFLICT", "this group id is taken");
}

/** Creates a group, and tells its members. @returns false when the id is taken */
export async function makeGroup(context: GroupChanges, group: NewGroup): Promise<boolean> {
  const { groups, groupLimits, changes } = context;
  const now = context.clock.now();
  const created = await groups.create(group, uuidv7(now), now, groupLimits.writeFanOut);
  if (created !== undefined) tellGroups(changes, created.about, created.changedAt);
  return created !== undefined;
}
