import { dissolve, removeMember, transfer } from "@carillon/operations";
import { Command, encodeFrame } from "@carillon/protocol";
import type { ApiParts } from "../../parts";
import { changeGroup } from "./change-group";
import { withdraw } from "./requests";

const AT_ONCE = 100;

export async function depart(api: ApiParts, userId: string): Promise<void> {
  await endRelations(api, userId);
  await api.invitations.deleteOf(userId);
  await endRequests(api, userId);
  await leaveGroups(api, userId);
  await api.groups.departed(userId);
}

/** Ends each relation on both sides, blocks included, and tells the other user's devices. */
async function endRelations({ relations, changes, clock }: ApiParts, userId: string): Promise<void> {
  for (let peers = [""]; peers.length > 0; ) {
    peers = await relations.peers(userId, AT_ONCE, peers.at(-1));
    for (const peerId of peers) {
      const { versions } = await relations.change(userId, peerId, clock.now(), () => ({ own: "none", peer: "none" }));
      for (const { userId: changed, version } of versions) {
        changes.notify([changed], encodeFrame(Command.CHANGED, 0, { what: "relations", version }));
      }
    }
    if (peers.length > 0) await changes.forget({ pairs: peers.map((peerId) => [userId, peerId]) });
  }
}

/** Withdraws the user's requests, and tells the admins. */
async function endRequests(api: ApiParts, userId: string): Promise<void> {
  const { requests, clock } = api;
  for (let after: string | undefined = ""; after !== undefined; ) {
    const waiting: { groupId: string }[] = await requests.ofUser(userId, clock.now(), AT_ONCE, after);
    for (const { groupId } of waiting) await withdraw(api, groupId, userId);
    after = waiting.at(-1)?.groupId;
  }
  await requests.deleteOf(userId);
}

async function leaveGroups(api: ApiParts, userId: string): Promise<void> {
  const { groups } = api;
  for (let found = await groups.groupsOf(userId, AT_ONCE); found.length > 0; ) {
    for (const { groupId, ownerId } of found) {
      if (ownerId !== userId || (await giveAway(api, groupId, userId))) {
        await changeGroup(api, userId, groupId, [userId], removeMember(userId, userId));
      }
    }
    found = await groups.groupsOf(userId, AT_ONCE);
  }
}

/** @returns false when no member was left, and the group is dissolved */
async function giveAway(api: ApiParts, groupId: string, ownerId: string): Promise<boolean> {
  const successor = await api.groups.successor(groupId, ownerId);
  if (successor === undefined) await changeGroup(api, ownerId, groupId, [], dissolve(ownerId, api.clock.now()));
  else await changeGroup(api, ownerId, groupId, [successor], transfer(ownerId, successor));
  return successor !== undefined;
}
