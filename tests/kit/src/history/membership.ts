/**
 * The users of each number of a conversation: both users of a private one for all numbers, members of a group for their stays.
 */

import { getOrSet } from "@carillon/base";
import { type Event, membershipOf, parseSystemContent } from "@carillon/protocol";
import { type Evidence, membersOf, type Place, type Stay } from "./evidence";

export class Membership {
  private readonly stays = new Map<string, Stay[]>();
  private readonly fetched: Set<string>;

  constructor({ stays, fetched }: Pick<Evidence, "stays" | "fetched">) {
    for (const stay of stays) {
      getOrSet(this.stays, `${stay.conversationId} ${stay.userId}`, (): Stay[] => []).push(stay);
    }
    for (const list of this.stays.values()) list.sort((a, b) => a.from - b.from);
    this.fetched = new Set(fetched.map(keyOf));
  }

  /** Whether the event is for this user. */
  has(userId: string, { conversationId, seq }: Place): boolean {
    if (!isGroup(conversationId)) return membersOf(conversationId).includes(userId);
    return this.of(userId, conversationId).some(({ from, to }) => from <= seq && seq <= to);
  }

  /** Whether the event, which is for this user, is in their inbox. */
  isInInbox(userId: string, place: Place): boolean {
    if (!this.fetched.has(keyOf(place))) return true;
    return this.of(userId, place.conversationId).some(({ from, to }) => place.seq === from || place.seq === to);
  }

  /** Returns the next number after `seq` that this user's inbox gets, if there is one. */
  next(userId: string, conversationId: string, seq: number): number {
    if (!isGroup(conversationId)) return seq + 1;
    const stay = this.of(userId, conversationId).find(({ to }) => to > seq);
    const next = Math.max(seq + 1, stay?.from ?? 0);
    return this.isInInbox(userId, { conversationId, seq: next }) ? next : this.next(userId, conversationId, next);
  }

  /** Returns the last number up to `seq` that this user's inbox gets; 0: none. */
  last(userId: string, conversationId: string, seq: number): number {
    if (!isGroup(conversationId)) return membersOf(conversationId).includes(userId) ? seq : 0;
    const stays = this.of(userId, conversationId).filter(({ from }) => from <= seq);
    const last = Math.min(seq, stays.at(-1)?.to ?? 0);
    if (last === 0 || this.isInInbox(userId, { conversationId, seq: last })) return last;
    return this.last(userId, conversationId, last - 1);
  }

  private of(userId: string, conversationId: string): Stay[] {
    return this.stays.get(`${conversationId} ${userId}`) ?? [];
  }
}

/** Derives the stays from the system events of groups. @param events in the order of their numbers */
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

const keyOf = ({ conversationId, seq }: Place) => `${conversationId} ${seq}`;

export function isGroup(conversationId: string): boolean {
  return conversationId.startsWith("g:");
}
