/**
 * A group as the owner of its conversation loads it: the row, members, and what the outbox still owes, read under a
 * shared lock of the row, so that no change falls between them. What was loaded before is not read again: members
 * carry the version of their last change.
 */
import { groupConversationId } from "@carillon/protocol";
import type { Sql } from "../sql";
import {
  GROUP_COLUMNS,
  type Group,
  type GroupRow,
  MEMBER_COLUMNS,
  type MemberRow,
  type MemberSpan,
  toGroup,
  toMemberSpan,
} from "./group-rows";

/** What a change of a group owes to its conversation: a system event. */
export interface GroupChange {
  groupId: string;
  /** Of the group, which this change made. */
  version: number;
  actorId: string;
  clientMsgId: string;
  /** Content of the event. */
  content: string;
  /** Somebody comes back: his first stay must be fanned out before his second begins. */
  isReturn: boolean;
}

export interface LoadedGroup {
  group: Group;
  /** All members, or those changed above the version that the asker has; former ones too. */
  members: MemberSpan[];
  /** In order of version; some may be numbered already and not archived. */
  changes: GroupChange[];
}

export class GroupFacts {
  constructor(private readonly sql: Sql) {}

  /**
   * @param wanted groups with the version that the asker knows; 0: nothing
   * @returns by groupId; one that does not exist is missing
   */
  async load(wanted: { groupId: string; version: number }[]): Promise<Map<string, LoadedGroup>> {
    // In the order of keys: two workers that load many groups must not lock them crosswise.
    const sorted = [...wanted].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    const ids = sorted.map(({ groupId }) => groupId);
    return this.sql.transaction(async (statements) => {
      const rows = await statements.rows<GroupRow>(
        `SELECT ${GROUP_COLUMNS} FROM user_groups WHERE id IN (?) ORDER BY id LOCK IN SHARE MODE`,
        [ids],
      );
      const loaded = new Map(
        rows.map((row): [string, LoadedGroup] => [row.id, { group: toGroup(row), members: [], changes: [] }]),
      );
      const members = await statements.rows<MemberRow>(
        `SELECT ${MEMBER_COLUMNS} FROM group_members
         WHERE ${sorted.map(() => "(group_id = ? AND version > ?)").join(" OR ")}`,
        sorted.flatMap(({ groupId, version }) => [groupId, version]),
      );
      for (const row of members) loaded.get(row.group_id)?.members.push(toMemberSpan(row));
      const owed = await statements.rows<{ conversation: string; version: number; body: string }>(
        "SELECT conversation, version, body FROM outbox WHERE conversation IN (?) ORDER BY conversation, version",
        [ids.map(groupConversationId)],
      );
      for (const { conversation, version, body } of owed) {
        const groupId = conversation.slice(2);
        loaded.get(groupId)?.changes.push({ groupId, version, ...(JSON.parse(body) as OwedBody) });
      }
      return loaded;
    });
  }
}

/** The body of an outbox row. */
export type OwedBody = Pick<GroupChange, "actorId" | "clientMsgId" | "content" | "isReturn">;
