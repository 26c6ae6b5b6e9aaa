/** Bodies of requests and answers about groups, as JSON Schema. */
import { groupRoleValues, joinPolicyValues, limits } from "@carillon/protocol";
import type { Group, GroupMember } from "@carillon/store";
import { Type } from "typebox";
import { chosenTime, groupId, listOf, name, strict, time, userId } from "../../http/shapes";

const notice = Type.String({ maxLength: limits.maxNoticeCharacters, words: "notice" });
const joinPolicy = Type.Enum([...joinPolicyValues]);
const MOST_AT_ONCE = 500;

const wishes = {
  groupId: Type.Optional(groupId),
  name,
  joinPolicy,
  members: Type.Optional(Type.Array(userId, { maxItems: MOST_AT_ONCE, description: "Members besides the owner" })),
};

export const createBody = strict(wishes);

export const createForBody = strict({ ownerId: userId, ...wishes });

export const changeBody = strict(
  {
    name: Type.Optional(name),
    notice: Type.Optional(notice),
    joinPolicy: Type.Optional(joinPolicy),
    muted: Type.Optional(Type.Boolean({ description: "Only owner and admins may write" })),
  },
  { notice: "Tonight at eight" },
);

export const memberBody = strict({ userId }, { userId: "bob" });

export const changeMemberBody = strict(
  {
    role: Type.Optional(Type.Enum(["admin", "member"])),
    mutedUntil: Type.Optional(chosenTime("ms since 1970-01-01 UTC, in the future; 0: may write")),
  },
  { role: "admin" },
);

export const group = Type.Object({
  groupId: Type.String(),
  name: Type.String(),
  notice: Type.Optional(Type.String()),
  ownerId: Type.String(),
  joinPolicy,
  muted: Type.Boolean(),
  memberCount: Type.Integer(),
  createdAt: time,
  dissolved: Type.Boolean(),
});

export const groups = listOf(group);

export const members = listOf(
  Type.Object({
    userId: Type.String(),
    role: Type.Enum([...groupRoleValues]),
    mutedUntil: time,
  }),
);

export const joined = Type.Object({ userId: Type.String(), state: Type.Enum(["joined", "asked", "invited"]) });

export const created = Type.Object({
  ...group.properties,
  invited: Type.Optional(Type.Array(Type.String(), { description: "Users who want to be asked first" })),
});

export const invitations = listOf(
  Type.Object({
    groupId: Type.String(),
    name: Type.String(),
    memberCount: Type.Integer(),
    inviterId: Type.String(),
    invitedAt: time,
  }),
);

export const requests = listOf(Type.Object({ userId: Type.String(), askedAt: time }));

export const ownRequests = listOf(
  Type.Object({
    groupId: Type.String(),
    name: Type.String(),
    askedAt: time,
    refusedAt: Type.Optional(Type.Integer({ description: "ms since 1970-01-01 UTC; absent: nobody has answered" })),
  }),
);

export const bans = listOf(Type.Object({ userId: Type.String(), bannedBy: Type.String(), bannedAt: time }));

export function present({
  groupId,
  name,
  notice,
  ownerId,
  joinPolicy,
  muted,
  memberCount,
  createdAt,
  dissolved,
}: Group) {
  const shown = { groupId, name, ownerId, joinPolicy, muted, memberCount, createdAt, dissolved };
  return notice === undefined ? shown : { ...shown, notice };
}

export function presentMember({ userId, role, mutedUntil }: GroupMember) {
  return { userId, role, mutedUntil };
}
