/**
 * Requests to be let into a group, and the bans of users whom its admins have removed. The admins' devices hear of each request
 * and of its end; the asking user's devices hear of the answer. A refused user may ask again after a week.
 */

import { acceptRequest, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { BringingFacts, WhoMayAdd } from "@carillon/store";
import type { ApiParts } from "../../parts";
import { changeGroup, mustBeAdmin } from "./change-group";

/** Time for which a refusal keeps the user out, ms: as long as a declined invitation. */
export const REFUSED_MS = 7 * 86_400_000;

/**
 * Asks to be let in; a second request while the first waits changes nothing. @throws CarillonError FORBIDDEN (refused recently)
 */
export async function ask(api: ApiParts, groupId: string, userId: string): Promise<void> {
  const { requests, clock } = api;
  const asked = await requests.ask(groupId, userId, clock.now(), clock.now() - REFUSED_MS);
  if (asked.outcome === "asked") tellOfAsking(api, groupId, userId, asked.admins);
  if (asked.outcome === "refused") {
    const retryAfterMs = asked.since + REFUSED_MS - clock.now();
    throw new CarillonError("FORBIDDEN", "the admins have refused: a week later one may ask again", { retryAfterMs });
  }
}

/** Takes the user's own request back; where there is none, nothing changes. */
export async function withdraw(api: ApiParts, groupId: string, userId: string): Promise<void> {
  tellOfAsking(api, groupId, userId, (await api.requests.withdraw(groupId, userId)) ?? []);
}

/** A user can ask and take back alone, as often as they like: so the admins get calm notices. */
function tellOfAsking(api: ApiParts, groupId: string, userId: string, admins: string[]): void {
  const { calmNotices, changes, clock } = api;
  if (admins.length > 0) calmNotices.tell(`${userId} g:${groupId}`, () => tellGroups(changes, admins, clock.now()));
}

/** Lets a user in who has asked. @throws CarillonError NOT_A_MEMBER, FORBIDDEN, NOT_FOUND, GROUP_DISSOLVED */
export async function acceptAsked(api: ApiParts, actorId: string, groupId: string, userId: string): Promise<void> {
  const { groups, requests, groupLimits } = api;
  await mustBeAdmin(api, actorId, groupId);
  const isMember = (await groups.member(groupId, userId))?.isPresent === true;
  if (!isMember && !(await requests.hasAsked(groupId, userId))) {
    throw new CarillonError("NOT_FOUND", "nobody of that id asked");
  }
  await changeGroup(api, actorId, groupId, [userId], acceptRequest(actorId, userId, groupLimits.members));
  await tellAdmins(api, groupId);
}

/** Refuses a user who has asked; a second refusal changes nothing. @throws CarillonError NOT_A_MEMBER, FORBIDDEN */
export async function refuseAsked(api: ApiParts, actorId: string, groupId: string, userId: string): Promise<void> {
  const { requests, changes, clock } = api;
  await mustBeAdmin(api, actorId, groupId);
  const admins = await requests.refuse(groupId, userId, clock.now());
  if (admins !== undefined) tellGroups(changes, [...admins, userId], clock.now());
}

/** Tells the admins' devices that a request is gone. */
async function tellAdmins({ groups, changes, clock }: ApiParts, groupId: string): Promise<void> {
  tellGroups(changes, await groups.admins(groupId), clock.now());
}

/**
 * Decides whether one user may bring another into a group: at once, or only by asking them. Pure.
 *
 * A user is not brought into groups by users whom they block, and does not hear of it. The blocked user sees what they would see
 * of a user who wants to be asked and does not answer, so the answer tells nothing of a block.
 */

export interface BringingPolicy {
  strangers: "allow" | "friends-only";
  /** For users who have not chosen. */
  whoMayAdd: WhoMayAdd;
}

/** `drop`: looks like `invite`, and nothing happens. */
export type Bringing = "join" | "invite" | "drop";

/** @throws CarillonError NOT_FRIENDS, BLOCKED (by the acting user) */
export function bringing(facts: BringingFacts, policy: BringingPolicy): Bringing {
  const { outgoing, incoming, whoMayAdd = policy.whoMayAdd, hasLeft } = facts;
  if (outgoing === "blocked") throw new CarillonError("BLOCKED");
  // Strangers and blocked users get the same answer, as to a message.
  if (policy.strangers === "friends-only" && incoming !== "friend") throw new CarillonError("NOT_FRIENDS");
  if (incoming === "blocked") return "drop";
  const mayAdd = whoMayAdd === "everybody" || (whoMayAdd === "friends" && incoming === "friend");
  return mayAdd && !hasLeft ? "join" : "invite";
}
