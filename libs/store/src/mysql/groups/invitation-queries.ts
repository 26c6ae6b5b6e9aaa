/**
 * Invitations into groups: what a user who wants to be asked is asked. One row for a group and a user, whoever invites;
 * one that was turned down stays for some time, so that the user is not asked again and again.
 */
import type { Sql } from "../sql";

export interface Invitation {
  groupId: string;
  name: string;
  memberCount: number;
  /** Who invites. */
  inviterId: string;
  /** ms since 1970. */
  invitedAt: number;
}

/** What decides whether one user may bring another one into a group. */
export interface BringingFacts {
  userId: string;
  /** How the user who acts sees this one, and how this one sees them; of requests nothing is told. */
  outgoing: "none" | "friend" | "blocked";
  incoming: "none" | "friend" | "blocked";
  /** Undefined: what the cluster's settings say. */
  whoMayAdd: WhoMayAdd | undefined;
  /** They belonged to the group, and left it by themselves. */
  hasLeft: boolean;
}

export type WhoMayAdd = "everybody" | "friends" | "consent";

/** Invitations that wait for one user; more are dropped. */
const MOST_WAITING = 200;
/** One that was turned down keeps others out for this time, ms. */
const TURNED_DOWN_MS = 7 * 86_400_000;

export class InvitationQueries {
  constructor(private readonly sql: Sql) {}

  /** What is known of users whom somebody wants to bring into a group; of one who does not exist there is nothing. */
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
   * Invites users into a group; who is invited already, or turned an invitation down lately, stays as they are.
   * @returns those who have a new invitation
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

  /** Invitations of a user by the group's id, behind `after`; none by whom the user has blocked since, or who has left. */
  async list(userId: string, limit: number, after = ""): Promise<Invitation[]> {
    return this.sql.rows<Invitation>(
      `SELECT g.id AS groupId, g.name, g.member_count AS memberCount, v.inviter_id AS inviterId,
         v.invited_at AS invitedAt
       ${WAITING} AND v.group_id > ? ORDER BY v.group_id LIMIT ?`,
      [userId, after, limit],
    );
  }

  /** Who has invited a user into a group; undefined without an invitation. */
  async inviterOf(userId: string, groupId: string): Promise<string | undefined> {
    const [row] = await this.sql.rows<{ inviter: string }>(
      `SELECT v.inviter_id AS inviter ${WAITING} AND v.group_id = ?`,
      [userId, groupId],
    );
    return row?.inviter;
  }

  /** @returns false when there was none; true also for one that was turned down before */
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

  /** Deletes invitations that nobody answered, and those that were turned down, since before then (ms). */
  async deleteOlder(before: number, limit: number): Promise<number> {
    return this.sql.run("DELETE FROM group_invitations WHERE invited_at < ? LIMIT ?", [before, limit]);
  }
}

/** Invitations that a user sees. */
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
