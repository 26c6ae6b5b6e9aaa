/**
 * Requests to be let into a group, and the bans of those whom its admins have removed. The admins' devices hear of each request
 * and of its end, the one who asks hears of the answer. A refused request is not made again for a week.
 */

import { acceptRequest, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { BringingFacts, WhoMayAdd } from "@carillon/store";
import type { ApiParts } from "../../parts";
import { changeGroup, mustBeAdmin } from "./change-group";

/** One that was refused keeps out for this time, ms: as an invitation that was turned down. */
export const REFUSED_MS = 7 * 86_400_000;

/** Asks to be let in; who asks again while it waits has asked already. @throws CarillonError FORBIDDEN (refused lately) */
export async function ask(api: ApiParts, groupId: string, userId: string): Promise<void> {
  const { requests, clock } = api;
  const asked = await requests.ask(groupId, userId, clock.now(), clock.now() - REFUSED_MS);
  if (asked.outcome === "asked") tellOfAsking(api, groupId, userId, asked.admins);
  if (asked.outcome === "refused") {
    const retryAfterMs = asked.since + REFUSED_MS - clock.now();
    throw new CarillonError("FORBIDDEN", "the admins have refused: a week later one may ask again", { retryAfterMs });
  }
}

/** Takes the own request back; where there is none, nothing changes. */
export async function withdraw(api: ApiParts, groupId: string, userId: string): Promise<void> {
  tellOfAsking(api, groupId, userId, (await api.requests.withdraw(groupId, userId)) ?? []);
}

/** Asking and taking back is what one can do alone, as often as one likes. */
function tellOfAsking(api: ApiParts, groupId: string, userId: string, admins: string[]): void {
  const { calmNotices, changes, clock } = api;
  if (admins.length > 0) calmNotices.tell(`${userId} g:${groupId}`, () => tellGroups(changes, admins, clock.now()));
}

/** Lets somebody in who asked. @throws CarillonError NOT_A_MEMBER, FORBIDDEN, NOT_FOUND, GROUP_DISSOLVED */
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

/** Turns somebody down who asked; again, it changes nothing. @throws CarillonError NOT_A_MEMBER, FORBIDDEN */
export async function refuseAsked(api: ApiParts, actorId: string, groupId: string, userId: string): Promise<void> {
  const { requests, changes, clock } = api;
  await mustBeAdmin(api, actorId, groupId);
  const admins = await requests.refuse(groupId, userId, clock.now());
  if (admins !== undefined) tellGroups(changes, [...admins, userId], clock.now());
}

/** Those who look at the list of requests see that one is gone. */
async function tellAdmins({ groups, changes, clock }: ApiParts, groupId: string): Promise<void> {
  tellGroups(changes, await groups.admins(groupId), clock.now());
}

/**
 * Whether one user may bring another one into a group: at once, or only by asking them. Pure.
 *
 * Whoever blocks somebody is not brought into groups by them, and does not hear of it; the one who is blocked sees
 * what they would see of a user who wants to be asked and does not answer. So the answer tells nothing of a block.
 */

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
