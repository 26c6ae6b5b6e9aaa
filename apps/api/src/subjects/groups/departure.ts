/**
 * What refers to somebody who has deleted their account ends: friendships, requests and blocks, of which the others hear;
 * invitations and requests to be let in; and they leave their groups, one by one. Those that they own go to an admin, or to
 * another member, and one without anybody else is dissolved. Done again after a crash, it goes on where it stopped.
 */
import type { ChangeTeller } from "@carillon/bus";
import { dissolve, removeMember, transfer } from "@carillon/operations";
import { Command, encodeFrame } from "@carillon/protocol";
import type { InvitationQueries, RelationQueries } from "@carillon/store";
import { changeGroup } from "./change-group";
import { type RequestContext, withdraw } from "./requests";

const AT_ONCE = 100;

export interface DepartureContext extends RequestContext {
  relations: Pick<RelationQueries, "change" | "peers">;
  invitations: Pick<InvitationQueries, "deleteOf">;
  changes: Pick<ChangeTeller, "forget" | "notify">;
}

export async function depart(context: DepartureContext, userId: string): Promise<void> {
  await endRelations(context, userId);
  await context.invitations.deleteOf(userId);
  await endRequests(context, userId);
  await leaveGroups(context, userId);
  await context.groups.departed(userId);
}

/** Each ends on both sides, a block too, and the other one hears of it. */
async function endRelations({ relations, changes, now }: DepartureContext, userId: string): Promise<void> {
  for (let peers = [""]; peers.length > 0; ) {
    peers = await relations.peers(userId, AT_ONCE, peers.at(-1));
    for (const peerId of peers) {
      const { versions } = await relations.change(userId, peerId, now(), () => ({ own: "none", peer: "none" }));
      for (const { userId: changed, version } of versions) {
        changes.notify([changed], encodeFrame(Command.CHANGED, 0, { what: "relations", version }));
      }
    }
    if (peers.length > 0) await changes.forget({ pairs: peers.map((peerId) => [userId, peerId]) });
  }
}

/** The admins hear of those that wait. */
async function endRequests(context: DepartureContext, userId: string): Promise<void> {
  const { requests, now } = context;
  for (let after: string | undefined = ""; after !== undefined; ) {
    const waiting: { groupId: string }[] = await requests.ofUser(userId, now(), AT_ONCE, after);
    for (const { groupId } of waiting) await withdraw(context, groupId, userId);
    after = waiting.at(-1)?.groupId;
  }
  await requests.deleteOf(userId);
}

async function leaveGroups(context: DepartureContext, userId: string): Promise<void> {
  const { groups } = context;
  for (let found = await groups.groupsOf(userId, AT_ONCE); found.length > 0; ) {
    for (const { groupId, ownerId } of found) {
      if (ownerId !== userId || (await giveAway(context, groupId, userId))) {
        await changeGroup(context, userId, groupId, [userId], removeMember(userId, userId));
      }
    }
    found = await groups.groupsOf(userId, AT_ONCE);
  }
}

/** @returns false when nobody was there, and the group is dissolved */
async function giveAway(context: DepartureContext, groupId: string, ownerId: string): Promise<boolean> {
  const heir = await context.groups.successor(groupId, ownerId);
  if (heir === undefined) await changeGroup(context, ownerId, groupId, [], dissolve(ownerId, context.now()));
  else await changeGroup(context, ownerId, groupId, [heir], transfer(ownerId, heir));
  return heir !== undefined;
}
