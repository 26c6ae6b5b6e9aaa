/** Who belongs to which numbers of a conversation: both users to all of a private one, members of a group for a stay. */

import { getOrSet } from "@carillon/base";
import { type Event, membershipOf, parseSystemContent } from "@carillon/protocol";
import { membersOf, type Stay } from "./evidence";

interface Place {
  conversationId: string;
  seq: number;
}

export class Membership {
  private readonly stays = new Map<string, Stay[]>();

  constructor(stays: readonly Stay[]) {
    for (const stay of stays) {
      getOrSet(this.stays, `${stay.conversationId} ${stay.userId}`, (): Stay[] => []).push(stay);
    }
    for (const list of this.stays.values()) list.sort((a, b) => a.from - b.from);
  }

  has(userId: string, { conversationId, seq }: Place): boolean {
    if (!isGroup(conversationId)) return membersOf(conversationId).includes(userId);
    return this.of(userId, conversationId).some(({ from, to }) => from <= seq && seq <= to);
  }

  /** The number that this user gets after `seq`, if there are more. */
  next(userId: string, conversationId: string, seq: number): number {
    if (!isGroup(conversationId)) return seq + 1;
    const stay = this.of(userId, conversationId).find(({ to }) => to > seq);
    return Math.max(seq + 1, stay?.from ?? 0);
  }

  /** The last number up to `seq` that this user gets; 0: none. */
  last(userId: string, conversationId: string, seq: number): number {
    if (!isGroup(conversationId)) return membersOf(conversationId).includes(userId) ? seq : 0;
    const stays = this.of(userId, conversationId).filter(({ from }) => from <= seq);
    return Math.min(seq, stays.at(-1)?.to ?? 0);
  }

  private of(userId: string, conversationId: string): Stay[] {
    return this.stays.get(`${conversationId} ${userId}`) ?? [];
  }
}

/** The stays that the system events of groups tell of. @param events in the order of their numbers */
export function staysOf(events: readonly Pick<Event, "conversationId" | "seq" | "kind" | "senderId" | "content">[]) {
  const stays: Stay[] = [];
  for (const { conversationId, seq, kind, senderId, content } of events) {
    if (kind !== "system") continue;
    const { joined, left } = membershipOf(senderId, parseSystemContent(content));
    for (const userId of joined) stays.push({ conversationId, userId, from: seq, to: Number.POSITIVE_INFINITY });
    for (const userId of left) {
      const stay = stays.findLast((one) => one.conversationId === conversationId && one.userId === userId);
      if (stay !== undefined) stay.to = seq;
    }
  }
  return stays;
}

function isGroup(conversationId: string): boolean {
  return conversationId.startsWith("g:");
}
