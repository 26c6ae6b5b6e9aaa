/**
 * Requests to be let into a group, and the bans of those whom its admins have removed. The admins' devices hear of each request
 * and of its end, the one who asks hears of the answer. A refused request is not made again for a week.
 */

import { guarded } from "@carillon/base";
import { acceptRequest, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { BringingFacts, RequestQueries, WhoMayAdd } from "@carillon/store";
import { changeGroup, type GroupContext, mustBeAdmin } from "./change-group";

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

/**
 * Notices that one user can cause again and again at another one, by asking and taking back: the first goes out at once, and
 * what follows within a moment goes out as one, which says how it stands then. Nothing is lost by it, since a notice only says
 * that there is something to fetch.
 */

/** For so long a cause is quiet after a notice, ms. */
const CALM_MS = 10_000;

export class CalmNotices {
  /** Causes that have been told lately, with the newest notice that waits. */
  private readonly calm = new Map<string, (() => void) | undefined>();

  /** @param cause who does it to whom @param send the notice; of several that wait the newest is sent */
  tell(cause: string, send: () => void): void {
    if (this.calm.has(cause)) {
      this.calm.set(cause, send);
      return;
    }
    send();
    this.calm.set(cause, undefined);
    setTimeout(
      guarded("calm notices", () => this.wake(cause)),
      CALM_MS,
    ).unref();
  }

  private wake(cause: string): void {
    const waiting = this.calm.get(cause);
    this.calm.delete(cause);
    if (waiting !== undefined) this.tell(cause, waiting);
  }
}
