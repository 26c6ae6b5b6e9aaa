/**
 * Relations between users: each of two users sees the other by a row of their own. A change of both rows is one transaction
 * under the locks of both users' counters, taken in the order of their ids. So two changes of one pair follow each other, and a
 * later change never gets a version that a device has seen.
 */
import { privateConversationId, type RelationState } from "@carillon/protocol";
import { asId, DATABASE_NOW, keyTable, type Sql, type Statements } from "../sql";

/** How `userId` is seen by the owner of the list. */
export interface Relation {
  userId: string;
  state: RelationState;
  remark: string | undefined;
  version: number;
  changedAt: number;
}

/** A locked pair, for a rule. */
export interface LockedPair {
  /** How the acting user sees the other; `none` without a row. */
  own: RelationState;
  /** How the other user sees the acting user. */
  peer: RelationState;
  /** Number of friends and own requests of each user, and number of blocks of the acting user. */
  ownFriends: number;
  peerFriends: number;
  ownBlocks: number;
}

/** The decision of a rule; absent parts stay. A remark of undefined is removed; a remark ends with the relation. */
export interface PairEdit {
  own?: RelationState;
  peer?: RelationState;
  remark?: { text: string | undefined };
}

/** The result for the pair. */
export interface ChangedPair {
  own: Relation;
  /** The users whose rows changed, with their new versions: their devices must be told. */
  versions: { userId: string; version: number }[];
  /** Whether the right to write to each other may have changed. */
  mattersToWorkers: boolean;
}

export class RelationQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Changes how two users see each other. A block also freezes what both are told about each other: the marks in their
   * conversation, and the time when they were last seen. So a user cannot see from these whether they are blocked.
   * @param rule decides under the locks; when it throws, nothing changes
   * @param now ms
   * @param isOnline whether the owner is connected now; then they were last seen now
   */
  async change(
    ownerId: string,
    peerId: string,
    now: number,
    rule: (pair: LockedPair) => PairEdit,
    isOnline = false,
  ): Promise<ChangedPair> {
    return this.sql.transaction(async (statements) => {
      const versions = await lockVersions(statements, ownerId, peerId);
      const rows = await readPair(statements, ownerId, peerId);
      const [ownRow, peerRow] = [rows.get(ownerId), rows.get(peerId)];
      const before = { own: ownRow?.state ?? "none", peer: peerRow?.state ?? "none" };
      const edit = rule({ ...before, ...(await counts(statements, ownerId, peerId)) });
      const remark = edit.remark === undefined ? ownRow?.remark : edit.remark.text;
      const own = withRemark(edit.own ?? before.own, remark);
      const peer = withRemark(edit.peer ?? before.peer, peerRow?.remark);
      const changed: ChangedPair["versions"] = [];
      const write = async (owner: string, other: string, row: typeof own, old: PairRow | undefined) => {
        if (row.state === (old?.state ?? "none") && row.remark === (old?.remark ?? null)) return;
        const version = versions.get(owner)! + 1;
        await writeRelation(statements, owner, other, row, version, now);
        changed.push({ userId: owner, version });
      };
      await write(ownerId, peerId, own, ownRow);
      await write(peerId, ownerId, peer, peerRow);
      const blocks = (pair: { own: RelationState; peer: RelationState }) =>
        pair.own === "blocked" || pair.peer === "blocked";
      const after = { own: own.state, peer: peer.state };
      if (blocks(before) !== blocks(after)) await holdMarks(statements, ownerId, peerId, blocks(after));
      if ((before.own === "blocked") !== (after.own === "blocked")) {
        await holdSeenAt(statements, ownerId, peerId, after.own === "blocked", isOnline ? now : undefined);
      }
      const [mine] = changed.filter(({ userId }) => userId === ownerId);
      return {
        own: {
          userId: peerId,
          state: own.state,
          remark: own.remark ?? undefined,
          version: mine?.version ?? ownRow?.version ?? 0,
          changedAt: mine === undefined ? (ownRow?.changed_at ?? 0) : now,
        },
        versions: changed,
        mattersToWorkers: decides(before.own) !== decides(own.state) || decides(before.peer) !== decides(peer.state),
      };
    });
  }

  /**
   * Raises the versions of the rows by which friends see a user, because the data that they see has changed.
   * @param after begin after this id; @param limit number of friends in one transaction
   * @returns the owners of the rows, and the id after which to continue; undefined: there are no more
   */
  async touchFriends(userId: string, limit: number, after: string): Promise<{ owners: string[]; next?: string }> {
    return this.sql.transaction(async (statements) => {
      // A user who was blocked by the user sees them as before.
      const peers = await statements.rows<{ peer_id: string }>(
        `SELECT peer_id FROM relations WHERE owner_id = ? AND state IN ('friend', 'blocked') AND peer_id > ?
         ORDER BY peer_id LIMIT ?`,
        [userId, after, limit],
      );
      const peerIds = peers.map(({ peer_id }) => peer_id);
      if (peerIds.length === 0) return { owners: [] };
      await statements.rows("SELECT user_id FROM user_versions WHERE user_id IN (?) ORDER BY user_id FOR UPDATE", [
        peerIds,
      ]);
      const rows = await statements.rows<{ owner_id: string }>(
        "SELECT owner_id FROM relations WHERE peer_id = ? AND owner_id IN (?) AND state = 'friend'",
        [userId, peerIds],
      );
      const owners = rows.map(({ owner_id }) => owner_id);
      if (owners.length > 0) await raiseVersions(statements, owners, userId);
      return peerIds.length < limit ? { owners } : { owners, next: peerIds.at(-1)! };
    });
  }

  /** Returns users with a relation to a user in either direction; by id, after `after`. */
  async peers(userId: string, limit: number, after = ""): Promise<string[]> {
    const side = (other: string, own: string) =>
      `(SELECT ${other} AS id FROM relations WHERE ${own} = ? AND ${other} > ? AND state <> 'none' ORDER BY ${other} LIMIT ?)`;
    const rows = await this.sql.rows<{ id: string }>(
      `SELECT id FROM (${side("peer_id", "owner_id")} UNION ${side("owner_id", "peer_id")}) AS found ORDER BY id LIMIT ?`,
      [userId, after, limit, userId, after, limit, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Returns relations of some states by the id of the other user, after `after`. */
  async list(ownerId: string, states: readonly RelationState[], limit: number, after = ""): Promise<Relation[]> {
    const rows = await this.sql.rows<RelationRow>(
      `SELECT peer_id, state, remark, version, changed_at FROM relations
       WHERE owner_id = ? AND state IN (?) AND peer_id > ? ORDER BY peer_id LIMIT ?`,
      [ownerId, states, after, limit],
    );
    return rows.map(toRelation);
  }

  /** Returns changes above a version in their order; without a version, all present relations. */
  async changedSince(ownerId: string, version: number, limit: number): Promise<Relation[]> {
    const rows = await this.sql.rows<RelationRow>(
      `SELECT peer_id, state, remark, version, changed_at FROM relations
       WHERE owner_id = ? AND version > ? ${version === 0 ? "AND state <> 'none'" : ""} ORDER BY version LIMIT ?`,
      [ownerId, version, limit],
    );
    return rows.map(toRelation);
  }

  /**
   * Returns the times at which users were last seen, in the form that blocked peers are told, ms. Key: `${owner} ${peer}`. Pairs
   * without a block, and pairs whose peer would see no time anyway, are missing.
   * @param orStrangers whether strangers see when a user was last seen
   */
  async frozen(pairs: [owner: string, peer: string][], orStrangers: boolean): Promise<Map<string, number>> {
    if (pairs.length === 0) return new Map();
    const { table, values } = keyTable(["owner", "peer"], pairs);
    const rows = await this.sql.rows<{ owner_id: string; peer_id: string; told_seen_at: number | null }>(
      `SELECT r.owner_id, r.peer_id, r.told_seen_at FROM ${table} AS wanted STRAIGHT_JOIN relations r
         ON r.owner_id = ${asId("wanted.owner")} AND r.peer_id = ${asId("wanted.peer")} AND r.state = 'blocked'
       LEFT JOIN relations o ON o.owner_id = r.peer_id AND o.peer_id = r.owner_id
       ${orStrangers ? "" : "WHERE o.state = 'friend'"}`,
      values,
    );
    return new Map(rows.map(({ owner_id, peer_id, told_seen_at }) => [`${owner_id} ${peer_id}`, told_seen_at ?? 0]));
  }
}

interface PairRow {
  state: RelationState;
  remark: string | null;
  version: number;
  changed_at: number;
}

type RelationRow = PairRow & { peer_id: string };

function toRelation({ peer_id, state, remark, version, changed_at }: RelationRow): Relation {
  return { userId: peer_id, state, remark: remark ?? undefined, version, changedAt: changed_at };
}

const withRemark = (state: RelationState, remark: string | null | undefined) => ({
  state,
  remark: state === "none" ? null : (remark ?? null),
});

/** The state in the form that workers use. */
const decides = (state: RelationState) => (state === "friend" || state === "blocked" ? state : "none");

async function raiseVersions(statements: Statements, owners: string[], peerId: string): Promise<void> {
  await statements.run("UPDATE user_versions SET relations_version = relations_version + 1 WHERE user_id IN (?)", [
    owners,
  ]);
  await statements.run(
    `UPDATE relations r JOIN user_versions v ON v.user_id = r.owner_id SET r.version = v.relations_version
     WHERE r.peer_id = ? AND r.owner_id IN (?)`,
    [peerId, owners],
  );
}

/** Freezes the marks that the two users are told about each other, or ends that. */
async function holdMarks(statements: Statements, a: string, b: string, isHeld: boolean): Promise<void> {
  const told = isHeld ? ["read_seq", "delivered_seq"] : ["NULL", "NULL"];
  await statements.run(
    `UPDATE conversation_members SET told_read_seq = ${told[0]}, told_delivered_seq = ${told[1]},
       changed_at = ${DATABASE_NOW} WHERE conversation = ? AND user_id IN (?)`,
    [privateConversationId(a, b), [a, b]],
  );
}

/** @param seenAt ms; undefined: the time at which the owner was last seen */
async function holdSeenAt(
  statements: Statements,
  ownerId: string,
  peerId: string,
  isHeld: boolean,
  seenAt: number | undefined,
): Promise<void> {
  await statements.run(
    `UPDATE relations SET told_seen_at = ${isHeld ? "COALESCE(?, (SELECT last_seen_at FROM users WHERE id = ?))" : "NULL"}
     WHERE owner_id = ? AND peer_id = ?`,
    [...(isHeld ? [seenAt ?? null, ownerId] : []), ownerId, peerId],
  );
}

async function lockVersions(statements: Statements, a: string, b: string): Promise<Map<string, number>> {
  const ids = [a, b].sort();
  await statements.run(
    "INSERT INTO user_versions (user_id) VALUES (?), (?) ON DUPLICATE KEY UPDATE relations_version = relations_version",
    ids,
  );
  const rows = await statements.rows<{ user_id: string; relations_version: number }>(
    "SELECT user_id, relations_version FROM user_versions WHERE user_id IN (?) ORDER BY user_id FOR UPDATE",
    [ids],
  );
  return new Map(rows.map(({ user_id, relations_version }) => [user_id, relations_version]));
}

/** Both directions, by owner. */
async function readPair(statements: Statements, a: string, b: string): Promise<Map<string, PairRow>> {
  const rows = await statements.rows<PairRow & { owner_id: string }>(
    `SELECT owner_id, state, remark, version, changed_at FROM relations
     WHERE (owner_id = ? AND peer_id = ?) OR (owner_id = ? AND peer_id = ?)`,
    [a, b, b, a],
  );
  return new Map(rows.map((row) => [row.owner_id, row]));
}

async function counts(statements: Statements, ownerId: string, peerId: string) {
  const rows = await statements.rows<{ owner_id: string; friends: number; blocks: number }>(
    `SELECT owner_id, SUM(state IN ('friend', 'requested')) AS friends, SUM(state = 'blocked') AS blocks
     FROM relations WHERE owner_id IN (?) GROUP BY owner_id`,
    [[ownerId, peerId]],
  );
  const of = (userId: string) => rows.find(({ owner_id }) => owner_id === userId);
  return {
    ownFriends: Number(of(ownerId)?.friends ?? 0),
    peerFriends: Number(of(peerId)?.friends ?? 0),
    ownBlocks: Number(of(ownerId)?.blocks ?? 0),
  };
}

async function writeRelation(
  statements: Statements,
  ownerId: string,
  peerId: string,
  { state, remark }: { state: RelationState; remark: string | null },
  version: number,
  now: number,
): Promise<void> {
  await statements.run(
    `INSERT INTO relations (owner_id, peer_id, state, remark, version, changed_at) VALUES (?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE state = VALUES(state), remark = VALUES(remark), version = VALUES(version),
       changed_at = VALUES(changed_at)`,
    [ownerId, peerId, state, remark, version, now],
  );
  await statements.run("UPDATE user_versions SET relations_version = ? WHERE user_id = ?", [version, ownerId]);
}
