/**
 * Finds the users whose inboxes contain a conversation: both users of a private one; the members of a small group, for their
 * stays.
 */
import { parseConversationId } from "@carillon/protocol";
import type { ClusterParts } from "./cluster-parts";

export interface InboxOwner {
  userId: string;
  /** The numbers that the user receives, both ends inclusive; in a private conversation all numbers. */
  spans: [from: number, to: number][];
}

const ALL: [number, number][] = [[1, Number.POSITIVE_INFINITY]];

/** @returns nobody for a large group: its members fetch its events, and inboxes contain none of them */
export async function inboxOwners(cluster: ClusterParts, conversationId: string): Promise<InboxOwner[]> {
  const parts = parseConversationId(conversationId);
  if (parts?.kind === "private") return [...new Set(parts.userIds)].map((userId) => ({ userId, spans: ALL }));
  const groupId = parts?.groupId;
  const { groups, groupFacts } = await cluster.mysql();
  const group = groupId === undefined ? undefined : await groups.find(groupId);
  if (group === undefined || group.fanOut === "read") return [];
  const loaded = (await groupFacts.load([{ groupId: group.groupId, version: 0 }])).get(group.groupId);
  return (loaded?.members ?? []).map(({ userId, stays }) => ({
    userId,
    spans: stays
      // The event that begins this stay is not archived yet.
      .filter(({ joinedSeq }) => joinedSeq > 0)
      .map(({ joinedSeq, leftSeq = Number.POSITIVE_INFINITY }): [number, number] => [joinedSeq, leftSeq]),
  }));
}

export const isWithin = (seq: number, spans: InboxOwner["spans"]) =>
  spans.some(([from, to]) => from <= seq && seq <= to);
