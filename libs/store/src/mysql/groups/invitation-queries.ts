/**
 * Invitations to groups, for users who want to be asked. There is one row for a group and a user, whoever invites. A declined
 * invitation stays for some time, so that the user is not asked again and again.
 */
import type { Sql } from "../sql";

export interface Invitation {
  groupId: string;
  name: string;
  memberCount: number;
  /** The inviting user. */
  inviterId: string;
  /** ms since 1970. */
  invitedAt: number;
}

/** The facts that decide whether one user may add another user to a group. */
export interface BringingFacts {
  userId: string;
  /** How the acting user sees this user, and how this user sees them; friend requests count as nothing. */
  outgoing: "none" | "friend" | "blocked";
  incoming: "none" | "friend" | "blocked";
  /** Undefined: as the cluster's settings say. */
  whoMayAdd: WhoMayAdd | undefined;
  /** Whether the user belonged to the group and left it by themselves. */
  hasLeft: boolean;
}

export type WhoMayAdd = "everybody" | "friends" | "consent";

/** Maximum number of invitations that wait for one user; further ones are dropped. */
const MOST_WAITING = 200;
/** Time for which a declined invitation prevents another one, ms. */
const TURNED_DOWN_MS = 7 * 86_400_000;

export class InvitationQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns the facts about users whom another user wants to add to a group; users who do not exist are missing. */
  async facts(actorId: string, groupId: string, userIds: string[]): Promise<BringingFacts[]> {
    if (userIds.length === 0) return [];
    const rows = await this.sql.rows<FactRow>(
      `SELECT u.id, u.who_may_add, o.state AS outgoing, i.state AS incoming, m.left_alone
       FROM users u
       LEFT JOIN relations o ON o.owner_id = ? AND o.peer_id = u.id
       LEFT JOIN relations i ON i.owner_id = u.id AND i.peer_id = ?
       LEFT JOIN group_members m ON m.group_id = ? AND m.user_id = u.id AND m.present = 0
       WHERE u.id IN (?) AND u.deleted_at IS NULL`,
      [actorId, actorId, groupId, userIds],
    );
    return rows.map(({ id, who_may_add, outgoing, incoming, left_alone }) => ({
      userId: id,
      outgoing: relationOf(outgoing),
      incoming: relationOf(incoming),
      whoMayAdd: who_may_add ?? undefined,
      hasLeft: left_alone === 1,
    }));
  }

  /**
   * Invites users to a group; nothing changes for users who are invited already, or who declined lately.
   * @returns the users with a new invitation
   */
  async invite(groupId: string, inviterId: string, userIds: string[], now: number): Promise<string[]> {
    const invited: string[] = [];
    for (const userId of userIds) {
      const changed = await this.sql.transaction(async (statements) => {
        const [waiting] = await statements.rows<{ total: number }>(
          "SELECT COUNT(*) AS total FROM group_invitations WHERE user_id = ? AND turned_down_at IS NULL",
          [userId],
        );
        if (waiting!.total >= MOST_WAITING) return false;
        const [known] = await statements.rows<{ turned_down_at: number | null }>(
          "SELECT turned_down_at FROM group_invitations WHERE user_id = ? AND group_id = ? FOR UPDATE",
          [userId, groupId],
        );
        const isKept = known !== undefined && (known.turned_down_at ?? now) > now - TURNED_DOWN_MS;
        if (isKept) return false;
        await statements.run(
          `INSERT INTO group_invitations (user_id, group_id, inviter_id, invited_at) VALUES (?, ?, ?, ?)
           ON DUPLICATE KEY UPDATE inviter_id = VALUES(inviter_id), invited_at = VALUES(invited_at),
             turned_down_at = NULL`,
          [userId, groupId, inviterId, now],
        );
        return true;
      });
      if (changed) invited.push(userId);
    }
    return invited;
  }

  /**
   * Returns invitations of a user by the group's id, after `after`; without those by users whom the user has blocked since, or
   * who have left the group.
   */
  async list(userId: string, limit: number, after = ""): Promise<Invitation[]> {
    return this.sql.rows<Invitation>(
      `SELECT g.id AS groupId, g.name, g.member_count AS memberCount, v.inviter_id AS inviterId,
         v.invited_at AS invitedAt
       ${WAITING} AND v.group_id > ? ORDER BY v.group_id LIMIT ?`,
      [userId, after, limit],
    );
  }

  /** Returns the user who has invited a user to a group; undefined without an invitation. */
  async inviterOf(userId: string, groupId: string): Promise<string | undefined> {
    const [row] = await this.sql.rows<{ inviter: string }>(
      `SELECT v.inviter_id AS inviter ${WAITING} AND v.group_id = ?`,
      [userId, groupId],
    );
    return row?.inviter;
  }

  /** @returns false when there was no invitation; true also for an invitation that was declined before */
  async turnDown(userId: string, groupId: string, now: number): Promise<boolean> {
    const met = await this.sql.run(
      `UPDATE group_invitations SET turned_down_at = COALESCE(turned_down_at, ?) WHERE user_id = ? AND group_id = ?`,
      [now, userId, groupId],
    );
    return met > 0;
  }

  /** Deletes all invitations of a user. */
  async deleteOf(userId: string): Promise<void> {
    await this.sql.run("DELETE FROM group_invitations WHERE user_id = ?", [userId]);
  }

  /** Deletes unanswered and declined invitations that are older than the given times (ms). */
  async deleteOlder(before: number, limit: number): Promise<number> {
    return this.sql.run("DELETE FROM group_invitations WHERE invited_at < ? LIMIT ?", [before, limit]);
  }
}

/** The condition of invitations that a user sees. */
const WAITING = `FROM group_invitations v JOIN user_groups g ON g.id = v.group_id AND g.dissolved_at IS NULL
  JOIN group_members i ON i.group_id = v.group_id AND i.user_id = v.inviter_id AND i.present = 1
  LEFT JOIN relations r ON r.owner_id = v.user_id AND r.peer_id = v.inviter_id AND r.state = 'blocked'
  WHERE v.user_id = ? AND v.turned_down_at IS NULL AND r.owner_id IS NULL`;

interface FactRow {
  id: string;
  who_may_add: WhoMayAdd | null;
  outgoing: string | null;
  incoming: string | null;
  left_alone: number | null;
}

function relationOf(state: string | null): BringingFacts["incoming"] {
  return state === "friend" || state === "blocked" ? state : "none";
}
