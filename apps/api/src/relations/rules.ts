/**
 * How two users may change what they are to each other. Pure: decided under the lock of the pair.
 *
 * A block is silent: the row of the one who is blocked stays as it was, he may ask, accept and remove as if nothing
 * were, and what he does changes his own row only. When the block is lifted, the blocker's row becomes the mirror of
 * the other's, so the two agree again.
 */
import { CarillonError, type RelationState } from "@carillon/protocol";
import type { LockedPair, PairEdit } from "@carillon/store";

export type Rule = (pair: LockedPair) => PairEdit;

export interface RelationLimits {
  friends: number;
  blocks: number;
}

/** What one's row says when the other's is known. */
const MIRROR: Record<RelationState, RelationState> = {
  none: "none",
  requested: "asked",
  asked: "requested",
  friend: "friend",
  blocked: "none",
};

/** Asks for friendship; who was asked by the other one accepts with it. */
export function request({ friends }: RelationLimits): Rule {
  return (pair) => {
    const { own, peer } = pair;
    if (own === "blocked") throw new CarillonError("BLOCKED");
    if (own === "friend" || own === "requested") return {};
    if (own === "asked") return befriend(pair, friends);
    if (pair.ownFriends >= friends) throw tooMany(friends);
    return { own: "requested", ...unlessBlocked(peer, "asked") };
  };
}

export function accept({ friends }: RelationLimits): Rule {
  return (pair) => {
    if (pair.own === "friend") return {};
    if (pair.own !== "asked") throw nobodyAsked();
    return befriend(pair, friends);
  };
}

/** Turns a request down; again, when there is none any more, it changes nothing. */
export function reject({ own, peer }: LockedPair): PairEdit {
  if (own === "none") return {};
  if (own !== "asked") throw nobodyAsked();
  return { own: "none", ...unlessBlocked(peer, "none") };
}

/** Ends a friendship, or takes back a request; where there is neither, it changes nothing. */
export function remove({ own, peer }: LockedPair): PairEdit {
  if (own === "none") return {};
  if (own !== "friend" && own !== "requested") throw new CarillonError("NOT_FOUND", "no such friend");
  return { own: "none", ...unlessBlocked(peer, "none") };
}

/** @param text undefined takes the remark away */
export function setRemark(text: string | undefined): Rule {
  return ({ own }) => {
    if (own !== "friend") throw new CarillonError("NOT_FOUND", "no such friend");
    return { remark: { text } };
  };
}

export function block({ blocks }: RelationLimits): Rule {
  return ({ own, ownBlocks }) => {
    if (own === "blocked") return {};
    if (ownBlocks >= blocks) throw new CarillonError("FORBIDDEN", `one may block at most ${blocks} users`);
    return { own: "blocked" };
  };
}

export function unblock({ own, peer }: LockedPair): PairEdit {
  return own === "blocked" ? { own: MIRROR[peer] } : {};
}

/** The limit of the other one counts also when he has blocked, so that it tells nothing. */
function befriend({ peer, ownFriends, peerFriends }: LockedPair, friends: number): PairEdit {
  if (ownFriends >= friends) throw tooMany(friends);
  // A request of the other one is counted among his friends already.
  if (peerFriends - (peer === "requested" ? 1 : 0) >= friends) {
    throw new CarillonError("FORBIDDEN", "the other one has as many friends as he may have");
  }
  return { own: "friend", ...unlessBlocked(peer, "friend") };
}

function unlessBlocked(peer: RelationState, next: RelationState): PairEdit {
  return peer === "blocked" ? {} : { peer: next };
}

function tooMany(friends: number): CarillonError {
  return new CarillonError("FORBIDDEN", `one may have at most ${friends} friends and requests`);
}

function nobodyAsked(): CarillonError {
  return new CarillonError("NOT_FOUND", "nobody of that id asked");
}

/** Those that one may use with a user who deleted his account. */
export const endings: ReadonlySet<Rule> = new Set<Rule>([reject, remove, unblock]);
