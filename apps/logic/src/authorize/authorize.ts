/** May this user write to that one? Pure: the facts are passed in. */
import type { ErrorName } from "@carillon/protocol";

/** What the rules need to know about a user. */
export interface UserFacts {
  status: "normal" | "disabled" | "deleted";
  /** ms since the Unix epoch; 0: not muted. */
  mutedUntil: number;
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
  if (sender === undefined || sender.status !== "normal") return "USER_DISABLED";
  if (sender.mutedUntil > now) return "USER_MUTED";
  if (toOneself) return undefined;
  if (peer === undefined || peer.status === "deleted") return "NO_SUCH_USER";
  if (outgoing === "blocked") return "BLOCKED";
  if (incoming === "blocked") return "NOT_FRIENDS";
  if (policy.strangers === "friends-only" && incoming !== "friend") return "NOT_FRIENDS";
  return undefined;
}
