/**
 * How two users may change their relation. Pure: decided under the lock of the pair.
 *
 * A block is silent. The row of the blocked user stays as it was; they may ask, accept and remove as if nothing had happened, and
 * this changes their own row only. When the block is lifted, the blocker's row becomes the mirror of the other row, so the two
 * agree again.
 */

import { CarillonError, Command, encodeFrame, isUserId, type RelationState } from "@carillon/protocol";
import type { LockedPair, PairEdit, Relation } from "@carillon/store";
import { mustPay } from "../../http/must-pay";
import type { ApiParts } from "../../parts";

export type Rule = (pair: LockedPair) => PairEdit;

export interface RelationLimits {
  friends: number;
  blocks: number;
}

/** The state of one user's row that follows from the other row. */
const MIRROR: Record<RelationState, RelationState> = {
  none: "none",
  requested: "asked",
  asked: "requested",
  friend: "friend",
  blocked: "none",
};

/** Asks for friendship; a user who was asked by the other accepts with it. */
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

/** Turns a request down; without a request, it changes nothing. */
export function reject({ own, peer }: LockedPair): PairEdit {
  if (own === "none") return {};
  if (own !== "asked") throw nobodyAsked();
  return { own: "none", ...unlessBlocked(peer, "none") };
}

/** Ends a friendship, or takes back a request; without either, it changes nothing. */
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

/** The limit of the other user counts also when they have blocked this one, so that the answer does not show the block. */
function befriend({ peer, ownFriends, peerFriends }: LockedPair, friends: number): PairEdit {
  if (ownFriends >= friends) throw tooMany(friends);
  // A request of the other user is counted among their friends already.
  if (peerFriends - (peer === "requested" ? 1 : 0) >= friends) {
    throw new CarillonError("FORBIDDEN", "the other user has as many friends as they may have");
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

/** Changes that are allowed with a user whose account is deleted. */
const endings: ReadonlySet<Rule> = new Set<Rule>([reject, remove, unblock]);

/**
 * Changes of relations: decided and written in one transaction. Then every worker forgets its facts about the pair, the devices
 * of the users whose rows changed are told, and only then is the change answered.
 */

/** A relation with the name that is shown. */
export interface NamedRelation extends Relation {
  displayName: string;
}

export interface ChangedRelation {
  relation: NamedRelation;
  /** Workers that have not confirmed; they judge messages by the earlier relation, for 30 s at most. */
  unconfirmed: string[];
}

/** @throws CarillonError BAD_PAYLOAD (the user themselves), NO_SUCH_USER, errors of the rule; errors of MySQL */
export async function changeRelation(
  api: ApiParts,
  userId: string,
  peerId: string,
  rule: Rule,
): Promise<ChangedRelation> {
  const { relations, changes, people, clock, presence } = api;
  if (userId === peerId) throw new CarillonError("BAD_PAYLOAD", "userId: one has no relation to oneself");
  const known = isUserId(peerId) ? (await people.names([peerId])).get(peerId) : undefined;
  if (known === undefined || (known.isDeleted && !endings.has(rule))) throw new CarillonError("NO_SUCH_USER");
  const forget = () => changes.forget({ pairs: [[userId, peerId]] });
  const isOnline = (await presence.connectedDevices(userId)).length > 0;
  const { own, versions, mattersToWorkers } = await relations
    .change(userId, peerId, clock.now(), rule, isOnline)
    .catch(async (error: unknown) => {
      if (error instanceof CarillonError && error.name === "NOT_FOUND") await forget();
      throw error;
    });
  // Also when there was nothing to change any more: the api that changed it may have died before it told workers.
  const isSure = versions.length > 0 && !mattersToWorkers;
  const unconfirmed = isSure ? [] : await forget();
  for (const { userId: changed, version } of versions) {
    const notify = () => changes.notify([changed], encodeFrame(Command.CHANGED, 0, { what: "relations", version }));
    // A user can ask and take back alone, as often as they like: so the other user gets calm notices.
    if (changed === userId || mattersToWorkers) notify();
    else api.calmNotices.tell(`${userId} ${peerId}`, notify);
  }
  return { relation: { ...own, displayName: known.displayName }, unconfirmed };
}

/** Requests that are taken back and made again tell the other one each time. @throws CarillonError RATE_LIMITED */
export function limitRequests({ requestsOfPairs }: ApiParts, userId: string, peerId: string): void {
  mustPay(requestsOfPairs.take(`${userId} ${peerId}`));
}

export async function withNames({ people }: ApiParts, found: Relation[]): Promise<NamedRelation[]> {
  const names = await people.names(found.map(({ userId }) => userId));
  return found.map((relation) => ({ ...relation, displayName: names.get(relation.userId)?.displayName ?? "" }));
}
