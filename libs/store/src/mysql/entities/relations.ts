/** Relations between users, groups, and the counters by which devices ask for changes. */
import {
  type GroupRole,
  groupRoleValues,
  type JoinPolicy,
  joinPolicyValues,
  type RelationState,
  relationStateValues,
} from "@carillon/protocol";
import { EntitySchema } from "typeorm";
import { counter, flag, id, longId, oneOf, text, time } from "./columns";

/** How `ownerId` sees `peerId`; the other direction is another row. */
export interface RelationEntityRow {
  ownerId: string;
  peerId: string;
  state: RelationState;
  remark: string | null;
  version: number;
  changedAt: number;
  /** Time at which the owner was last seen, as a blocked peer is told; null: no block. */
  toldSeenAt: number | null;
}

export const RelationEntity = new EntitySchema<RelationEntityRow>({
  name: "Relation",
  tableName: "relations",
  columns: {
    ownerId: longId("owner_id", { primary: true }),
    peerId: longId("peer_id", { primary: true }),
    state: oneOf("state", relationStateValues),
    remark: text("remark", 64, { nullable: true }),
    version: counter("version"),
    changedAt: time("changed_at"),
    toldSeenAt: time("told_seen_at", { nullable: true }),
  },
});

export interface UserGroupRow {
  id: string;
  name: string;
  notice: string | null;
  ownerId: string;
  joinPolicy: JoinPolicy;
  muted: boolean;
  memberCount: number;
  /** `write`: events go into the members' inboxes; `read`: members fetch them. */
  fanOut: "write" | "read";
  version: number;
  createdAt: number;
  dissolvedAt: number | null;
  /** Digest of the request that created the group; null: an older build created it. */
  requestDigest: string | null;
  /** By the database's clock. */
  changedAt: number;
}

export const UserGroupEntity = new EntitySchema<UserGroupRow>({
  name: "UserGroup",
  tableName: "user_groups",
  columns: {
    id: id("id", { primary: true }),
    name: text("name", 64),
    notice: text("notice", 1024, { nullable: true }),
    ownerId: longId("owner_id"),
    joinPolicy: oneOf("join_policy", joinPolicyValues),
    muted: flag("muted"),
    memberCount: { name: "member_count", type: "int", unsigned: true, default: 0 },
    fanOut: oneOf("fan_out", ["write", "read"], { default: "write" }),
    version: counter("version", { default: 0 }),
    createdAt: time("created_at"),
    dissolvedAt: time("dissolved_at", { nullable: true }),
    requestDigest: longId("request_digest", { nullable: true }),
    changedAt: time("changed_at", { default: 0 }),
  },
});

export interface GroupMemberRow {
  groupId: string;
  userId: string;
  role: GroupRole;
  mutedUntil: number;
  /** False for a former member. */
  present: boolean;
  /** Whether the member left by themselves at the end of the last stay. */
  leftAlone: boolean;
  /** The user who removed this member; null: nobody, or the ban was lifted. */
  bannedBy: string | null;
  /** Version of the group after the last change of this member. */
  version: number;
  /** Time of that change, by the database's clock. */
  changedAt: number;
}

export const GroupMemberEntity = new EntitySchema<GroupMemberRow>({
  name: "GroupMember",
  tableName: "group_members",
  columns: {
    groupId: id("group_id", { primary: true }),
    userId: longId("user_id", { primary: true }),
    role: oneOf("role", groupRoleValues, { default: "member" }),
    mutedUntil: time("muted_until", { default: 0 }),
    present: { ...flag("present"), default: true },
    leftAlone: flag("left_alone"),
    bannedBy: longId("banned_by", { nullable: true }),
    version: counter("version"),
    changedAt: time("changed_at", { default: 0 }),
  },
});

export interface GroupStayRow {
  groupId: string;
  userId: string;
  /** Version of the change by which the user joined. */
  joinedVersion: number;
  /** First number that the user may see; 0 until the event of the joining is archived. */
  joinedSeq: number;
  /** Version of the change by which the user left; null: they have not left. */
  leftVersion: number | null;
  /** Last number that the user may see; null also until the event of the leaving is archived. */
  leftSeq: number | null;
}

/** One stay of a user in a group; a user who returns has several. */
export const GroupStayEntity = new EntitySchema<GroupStayRow>({
  name: "GroupStay",
  tableName: "group_stays",
  columns: {
    groupId: id("group_id", { primary: true }),
    userId: longId("user_id", { primary: true }),
    joinedVersion: counter("joined_version", { primary: true }),
    joinedSeq: counter("joined_seq", { default: 0 }),
    leftVersion: counter("left_version", { nullable: true }),
    leftSeq: counter("left_seq", { nullable: true }),
  },
});

export interface GroupRequestRow {
  groupId: string;
  userId: string;
  askedAt: number;
  /** Time of the refusal; null: the request waits. */
  refusedAt: number | null;
}

/** Requests to join. */
export const GroupRequestEntity = new EntitySchema<GroupRequestRow>({
  name: "GroupRequest",
  tableName: "group_requests",
  columns: {
    groupId: id("group_id", { primary: true }),
    userId: longId("user_id", { primary: true }),
    askedAt: time("asked_at"),
    refusedAt: time("refused_at", { nullable: true }),
  },
});

export interface GroupInvitationRow {
  userId: string;
  groupId: string;
  inviterId: string;
  invitedAt: number;
  /** Time at which the user declined; null: the invitation waits. */
  turnedDownAt: number | null;
}

export const GroupInvitationEntity = new EntitySchema<GroupInvitationRow>({
  name: "GroupInvitation",
  tableName: "group_invitations",
  columns: {
    userId: longId("user_id", { primary: true }),
    groupId: id("group_id", { primary: true }),
    inviterId: longId("inviter_id"),
    invitedAt: time("invited_at"),
    turnedDownAt: time("turned_down_at", { nullable: true }),
  },
});

export interface DepartureRow {
  userId: string;
}

/** Users whose account is deleted and who still belong to groups. */
export const DepartureEntity = new EntitySchema<DepartureRow>({
  name: "Departure",
  tableName: "departures",
  columns: { userId: longId("user_id", { primary: true }) },
});

export interface UserVersionsRow {
  userId: string;
  relationsVersion: number;
}

export const UserVersionsEntity = new EntitySchema<UserVersionsRow>({
  name: "UserVersions",
  tableName: "user_versions",
  columns: {
    userId: longId("user_id", { primary: true }),
    relationsVersion: counter("relations_version", { default: 0 }),
  },
});
