/** A group and its members in MySQL. */

import type { GroupRole, JoinPolicy } from "@carillon/protocol";
import { timeOf } from "../sql";

export interface Group {
  groupId: string;
  name: string;
  notice: string | undefined;
  ownerId: string;
  joinPolicy: JoinPolicy;
  /** Whether only owner and admins may write. */
  muted: boolean;
  memberCount: number;
  /** Raised by one with each change. */
  version: number;
  createdAt: number;
  dissolved: boolean;
  /** `write`: events go into the members' inboxes; `read`: members fetch them. */
  fanOut: "write" | "read";
}

export interface GroupMember {
  userId: string;
  role: GroupRole;
  /** ms since 1970; 0: the member may write. */
  mutedUntil: number;
  /** False for a former member. */
  isPresent: boolean;
  /**
   * The user who removed this member: only an admin can add them again. Absent for present members, and after a voluntary
   * leave.
   */
  bannedBy?: string;
}

/** One stay: the numbers from which and to which a user belongs to a group. */
export interface GroupStay {
  joinedVersion: number;
  /** First number that the user may see; 0: the event of the joining is not archived, and the log knows its number. */
  joinedSeq: number;
  /** Undefined: the user has not left. */
  leftVersion: number | undefined;
  /** Last number that the user may see; undefined also while the event of the leaving is not archived. */
  leftSeq: number | undefined;
}

/** A present or former member with all their stays, the oldest first, for the owner of the conversation. */
export interface MemberStays extends GroupMember {
  stays: GroupStay[];
}

export interface GroupRow {
  id: string;
  name: string;
  notice: string | null;
  owner_id: string;
  join_policy: JoinPolicy;
  muted: number;
  member_count: number;
  version: number;
  created_at: number;
  dissolved_at: number | null;
  fan_out: "write" | "read";
}

export const GROUP_COLUMNS =
  "id, name, notice, owner_id, join_policy, muted, member_count, version, created_at, dissolved_at, fan_out";

export function toGroup(row: GroupRow): Group {
  return {
    groupId: row.id,
    name: row.name,
    notice: row.notice ?? undefined,
    ownerId: row.owner_id,
    joinPolicy: row.join_policy,
    muted: row.muted === 1,
    memberCount: row.member_count,
    version: row.version,
    createdAt: row.created_at,
    dissolved: row.dissolved_at !== null,
    fanOut: row.fan_out,
  };
}

export interface MemberRow {
  group_id: string;
  user_id: string;
  role: GroupRole;
  muted_until: number | string;
  present: number;
  banned_by: string | null;
}

export const MEMBER_COLUMNS = "group_id, user_id, role, muted_until, present, banned_by";

export function toMember({ user_id, role, muted_until, present, banned_by }: MemberRow): GroupMember {
  const member = { userId: user_id, role, mutedUntil: timeOf(muted_until), isPresent: present === 1 };
  return banned_by === null ? member : { ...member, bannedBy: banned_by };
}

export interface StayRow {
  group_id: string;
  user_id: string;
  joined_version: number;
  joined_seq: number;
  left_version: number | null;
  left_seq: number | null;
}

export function toStay(row: StayRow): GroupStay {
  return {
    joinedVersion: row.joined_version,
    joinedSeq: row.joined_seq,
    leftVersion: row.left_version ?? undefined,
    leftSeq: row.left_seq ?? undefined,
  };
}
