/** May this user write there? Pure: the facts are passed in. */
import { CarillonError, type ErrorName, type GroupRole, limits } from "@carillon/protocol";

/** Facts about a user that the rules need. */
export interface UserFacts {
  status: "normal" | "disabled" | "deleted";
  /** ms since the Unix epoch; 0: not muted. */
  mutedUntil: number;
  /** They take messages of friends only. */
  friendsOnly?: true;
}

/** One direction of a relation: how the owner sees the peer. */
export type Relation = "none" | "friend" | "blocked";

export interface PrivateFacts {
  sender: UserFacts | undefined;
  peer: UserFacts | undefined;
  /** How the sender sees the peer. */
  outgoing: Relation;
  /** How the peer sees the sender. */
  incoming: Relation;
}

export interface Policy {
  strangers: "allow" | "friends-only";
  /**
   * Takes what a message to so many costs from its sender's budget; absent: there is none.
   * @returns 0, or ms until there is enough
   */
  spend?(senderId: string, recipients: number): number;
  /** How long after it was sent a message may be taken back by its sender. */
  recallMs: number;
  /** Whether members of a group see what was said before they came. */
  showsBefore: boolean;
  /** How long messages are kept: an older id may be of one that nobody can recognise any more. */
  keepMs: number;
}

/**
 * Whether a message may go from sender to peer.
 * Where the difference would tell who blocked whom, both get the same answer.
 * @param facts users that are unknown are undefined
 * @returns the error's name, or undefined when it may
 */
export function refusePrivate(
  facts: PrivateFacts,
  toOneself: boolean,
  policy: Policy,
  now: number,
): ErrorName | undefined {
  const { sender, peer, outgoing, incoming } = facts;
  const silenced = refuseSender(sender, now);
  if (silenced !== undefined) return silenced;
  if (toOneself) return undefined;
  if (peer === undefined || peer.status === "deleted") return "NO_SUCH_USER";
  if (outgoing === "blocked") return "BLOCKED";
  if (incoming === "blocked") return "NOT_FRIENDS";
  const friendsOnly = policy.strangers === "friends-only" || peer.friendsOnly === true;
  return friendsOnly && incoming !== "friend" ? "NOT_FRIENDS" : undefined;
}

/** Facts about a group that the rules need. */
export interface GroupRules {
  muted: boolean;
  dissolved: boolean;
}

/** A user who does not belong to a group learns nothing about it, not even whether it exists. */
export function refuseGroup(
  sender: UserFacts | undefined,
  group: GroupRules | undefined,
  member: { role: GroupRole; mutedUntil: number } | undefined,
  now: number,
): ErrorName | undefined {
  const silenced = refuseSender(sender, now);
  if (silenced !== undefined) return silenced;
  if (group === undefined || member === undefined) return "NOT_A_MEMBER";
  if (group.dissolved) return "GROUP_DISSOLVED";
  if (member.mutedUntil > now || (group.muted && member.role === "member")) return "GROUP_MUTED";
  return undefined;
}

/** A message that somebody wants to take back. */
export interface RecallTarget {
  senderId: string;
  kind: "message" | "recall" | "system";
  sentAt: number;
  recalled: boolean;
}

/**
 * Whether a message may be taken back: by its sender within the window, by the admins of its group at any time.
 * @param role in the group; undefined in a private conversation
 */
export function refuseRecall(
  senderId: string,
  target: RecallTarget | undefined,
  role: GroupRole | undefined,
  policy: Pick<Policy, "recallMs">,
  now: number,
): ErrorName | undefined {
  if (target === undefined) return "NO_SUCH_MESSAGE";
  if (target.kind !== "message" || target.recalled) return "RECALL_NOT_ALLOWED";
  if (role === "owner" || role === "admin") return undefined;
  if (target.senderId !== senderId) return "RECALL_NOT_ALLOWED";
  return target.sentAt + policy.recallMs < now ? "RECALL_TOO_LATE" : undefined;
}

function refuseSender(sender: UserFacts | undefined, now: number): ErrorName | undefined {
  if (sender === undefined || sender.status !== "normal") return "USER_DISABLED";
  return sender.mutedUntil > now ? "USER_MUTED" : undefined;
}

/** The message to a muted user: it says until when they are muted. */

/** @param until ms since 1970, ahead of `now`; undefined: nobody knows when it ends */
export function mutedError(name: "USER_MUTED" | "GROUP_MUTED", until: number | undefined, now: number): CarillonError {
  if (until === undefined) return new CarillonError(name);
  // A time that was stored before times were bounded may be beyond any date.
  const end = Math.min(until, limits.maxTimeMs);
  return new CarillonError(name, `muted until ${new Date(end).toISOString()}`, { retryAfterMs: end - now });
}
