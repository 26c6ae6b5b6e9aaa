/**
 * Requests to be let into a group, and the bans of those whom its admins have removed. The admins' devices hear of each request
 * and of its end, the one who asks hears of the answer. A refused request is not made again for a week.
 */
import { acceptRequest, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { RequestQueries } from "@carillon/store";
import type { CalmNotices } from "../calm-notices";
import { changeGroup, type GroupContext } from "./change-group";
import { mustBeAdmin } from "./members";

/** One that was refused keeps out for this time, ms: as an invitation that was turned down. */
export const REFUSED_MS = 7 * 86_400_000;

export interface RequestContext extends GroupContext {
  requests: RequestQueries;
  calmNotices: CalmNotices;
}

/** Asks to be let in; who asks again while it waits has asked already. @throws CarillonError FORBIDDEN (refused lately) */
export async function ask(context: RequestContext, groupId: string, userId: string): Promise<void> {
  const { requests, now } = context;
  const asked = await requests.ask(groupId, userId, now(), now() - REFUSED_MS);
  if (asked.outcome === "asked") tellOfAsking(context, groupId, userId, asked.admins);
  if (asked.outcome === "refused") {
    const retryAfterMs = asked.since + REFUSED_MS - now();
    throw new CarillonError("FORBIDDEN", "the admins have refused: a week later one may ask again", { retryAfterMs });
  }
}

/** Takes the own request back; where there is none, nothing changes. */
export async function withdraw(context: RequestContext, groupId: string, userId: string): Promise<void> {
  tellOfAsking(context, groupId, userId, (await context.requests.withdraw(groupId, userId)) ?? []);
}

/** Asking and taking back is what one can do alone, as often as one likes. */
function tellOfAsking(context: RequestContext, groupId: string, userId: string, admins: string[]): void {
  const { calmNotices, changes, now } = context;
  if (admins.length > 0) calmNotices.tell(`${userId} g:${groupId}`, () => tellGroups(changes, admins, now()));
}

/** Lets somebody in who asked. @throws CarillonError NOT_A_MEMBER, FORBIDDEN, NOT_FOUND, GROUP_DISSOLVED */
export async function acceptAsked(
  context: RequestContext,
  actorId: string,
  groupId: string,
  userId: string,
): Promise<void> {
  const { groups, requests, groupLimits } = context;
  await mustBeAdmin(context, actorId, groupId);
  const isMember = (await groups.member(groupId, userId))?.isPresent === true;
  if (!isMember && !(await requests.hasAsked(groupId, userId))) {
    throw new CarillonError("NOT_FOUND", "nobody of that id asked");
  }
  await changeGroup(context, actorId, groupId, [userId], acceptRequest(actorId, userId, groupLimits.members));
  await tellAdmins(context, groupId);
}

/** Turns somebody down who asked; again, it changes nothing. @throws CarillonError NOT_A_MEMBER, FORBIDDEN */
export async function refuseAsked(
  context: RequestContext,
  actorId: string,
  groupId: string,
  userId: string,
): Promise<void> {
  const { requests, changes, now } = context;
  await mustBeAdmin(context, actorId, groupId);
  const admins = await requests.refuse(groupId, userId, now());
  if (admins !== undefined) tellGroups(changes, [...admins, userId], now());
}

/** Those who look at the list of requests see that one is gone. */
async function tellAdmins({ groups, changes, now }: RequestContext, groupId: string): Promise<void> {
  tellGroups(changes, await groups.admins(groupId), now());
}
