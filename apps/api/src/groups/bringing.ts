/**
 * Whether one user may bring another one into a group: at once, or only by asking them. Pure.
 *
 * Whoever blocks somebody is not brought into groups by them, and does not hear of it; the one who is blocked sees
 * what they would see of a user who wants to be asked and does not answer. So the answer tells nothing of a block.
 */
import { CarillonError } from "@carillon/protocol";
import type { BringingFacts, WhoMayAdd } from "@carillon/store";

export interface BringingPolicy {
  strangers: "allow" | "friends-only";
  /** For users who have not chosen. */
  whoMayAdd: WhoMayAdd;
}

/** `drop`: looks like `invite`, and nothing happens. */
export type Bringing = "join" | "invite" | "drop";

/** @throws CarillonError NOT_FRIENDS, BLOCKED (by the one who acts) */
export function bringing(facts: BringingFacts, policy: BringingPolicy): Bringing {
  const { outgoing, incoming, whoMayAdd = policy.whoMayAdd, hasLeft } = facts;
  if (outgoing === "blocked") throw new CarillonError("BLOCKED");
  // The same answer for strangers and for who is blocked, as to a message.
  if (policy.strangers === "friends-only" && incoming !== "friend") throw new CarillonError("NOT_FRIENDS");
  if (incoming === "blocked") return "drop";
  const mayAdd = whoMayAdd === "everybody" || (whoMayAdd === "friends" && incoming === "friend");
  return mayAdd && !hasLeft ? "join" : "invite";
}
