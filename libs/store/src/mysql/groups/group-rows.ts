/** A group and its members as MySQL keeps them. */
import type { GroupRole, JoinPolicy } from "@carillon/protocol";

export interface Group {
  groupId: string;
  name: string;
  notice: string | undefined;
  ownerId: string;
  joinPolicy: JoinPolicy;
  /** Only owner and admins may write. */
  muted: boolean;
  memberCount: number;
  /** Raised by one with each change. */
  version: number;
  createdAt: number;
  dissolved: boolean;
}

export interface GroupMember {
  userId: string;
  role: GroupRole;
  /** ms since 1970; 0: may write. */
  mutedUntil: number;
  /** False for one who has left. */
  isPresent: boolean;
}

/** A member as the owner of the conversation needs him: since and until when he belongs to the group. */
export interface MemberSpan extends GroupMember {
  /** First number that he may see; 0: the event of his joining is not archived, the log knows its number. */
  joinedSeq: number;
  joinedVersion: number;
  /** Last number that he may see; undefined also while the event of his leaving is not archived. */
  leftSeq: number | undefined;
  leftVersion: number | undefined;
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
}

export const GROUP_COLUMNS =
  "id, name, notice, owner_id, join_policy, muted, member_count, version, created_at, dissolved_at";

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
  };
}

export interface MemberRow {
  group_id: string;
  user_id: string;
  role: GroupRole;
  muted_until: number;
  joined_seq: number;
  joined_version: number;
  left_seq: number | null;
  left_version: number | null;
}

export const MEMBER_COLUMNS =
  "group_id, user_id, role, muted_until, joined_seq, joined_version, left_seq, left_version";

export function toMemberSpan(row: MemberRow): MemberSpan {
  return {
    userId: row.user_id,
    role: row.role,
    mutedUntil: row.muted_until,
    isPresent: row.left_version === null,
    joinedSeq: row.joined_seq,
    joinedVersion: row.joined_version,
    leftSeq: row.left_seq ?? undefined,
    leftVersion: row.left_version ?? undefined,
  };
}
