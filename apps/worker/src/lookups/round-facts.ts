/**
 * The facts for some requests of a round. Their questions are under way when this object is created, and each answer adds to
 * it. Facts of before (users, relations, groups) are used as they are when no newer ones come in time.
 */
import { settlesWithin } from "@carillon/base";
import type { SendRequest } from "@carillon/bus";
import type { LRUCache } from "lru-cache";
import type { AcceptedMessage } from "../decide/accepted-log";
import type { PrivateFacts, RecallTarget, Relation, UserFacts } from "../decide/authorize";
import { type Facts, placeOf } from "../decide/decision";
import type { GroupState } from "../decide/group-state";
import type { Sequences } from "../decide/sequences";
import type { MessageKey } from "./fact-source";
import type { GroupCache } from "./group-cache";

export interface Known<T> {
  value: T;
  loadedAt: number;
}

/** The sources of facts: the worker's caches, and the memory of the partition's owner. */
export interface FactSources {
  users: LRUCache<string, Known<UserFacts>>;
  relations: LRUCache<string, Known<Relation>>;
  groups: GroupCache;
  sequences: Pick<Sequences, "archived">;
  /** The highest that is known, ms since 1970. */
  retentionCut(): number;
}

export class RoundFacts implements Facts {
  readonly messages = new Map<string, AcceptedMessage | null>();
  /** Groups and users that were asked for and do not exist. It is not remembered: they may be made at any moment. */
  readonly noGroups = new Set<string>();
  readonly noUsers = new Set<string>();
  /** By `${conversationId}#${seq}`. */
  readonly targets = new Map<string, RecallTarget | null>();
  /** Questions under way without whose answers nothing can be decided, by what they are about (see placeOf). */
  private readonly needed = new Map<string, Set<Promise<void>>>();
  private readonly underWay = new Set<Promise<void>>();

  /** @param askedAt monotonic ms */
  constructor(
    private readonly sources: FactSources,
    readonly askedAt: number,
  ) {}

  /** The facts for several batches of one round. */
  static merge(parts: RoundFacts[]): RoundFacts {
    const [first, ...rest] = parts as [RoundFacts, ...RoundFacts[]];
    if (rest.length === 0) return first;
    const merged = new RoundFacts(first.sources, Math.min(...parts.map(({ askedAt }) => askedAt)));
    for (const part of parts) {
      for (const [key, message] of part.messages) merged.messages.set(key, message);
      for (const [place, target] of part.targets) merged.targets.set(place, target);
      for (const groupId of part.noGroups) merged.noGroups.add(groupId);
      for (const userId of part.noUsers) merged.noUsers.add(userId);
    }
    return merged;
  }

  /**
   * A question is under way.
   * @param about what cannot be decided without its answer; undefined: it only makes what is known newer
   */
  add(question: Promise<void>, about: SendRequest | undefined): void {
    this.underWay.add(question);
    const place = about && placeOf(about);
    if (place !== undefined) {
      const needed = this.needed.get(place);
      if (needed === undefined) this.needed.set(place, new Set([question]));
      else needed.add(question);
    }
    void question.finally(() => {
      this.underWay.delete(question);
      const needed = place === undefined ? undefined : this.needed.get(place);
      if (needed?.delete(question) && needed.size === 0) this.needed.delete(place!);
    });
  }

  /** Waits until all that was asked is answered, at most `ms`. */
  async settle(ms: number): Promise<void> {
    if (this.underWay.size > 0) await settlesWithin(Promise.all(this.underWay), ms);
  }

  /** Settles when all is answered without which a request cannot be decided; undefined: nothing is under way. */
  answersFor(request: SendRequest): Promise<unknown> | undefined {
    const needed = this.needed.get(placeOf(request));
    return needed && Promise.all(needed);
  }

  privateFacts(senderId: string, peerId: string): PrivateFacts | undefined {
    const { users, relations } = this.sources;
    // Prepared a moment ago: that they were used lately is known.
    const [sender, peer] = [users.peek(senderId), users.peek(peerId)];
    if (sender === undefined && !this.noUsers.has(senderId)) return undefined;
    if (peer === undefined && !this.noUsers.has(peerId)) return undefined;
    if (senderId === peerId) {
      return { sender: sender?.value, peer: peer?.value, outgoing: "none", incoming: "none" };
    }
    const outgoing = relations.peek(`${senderId} ${peerId}`);
    const incoming = relations.peek(`${peerId} ${senderId}`);
    if (outgoing === undefined || incoming === undefined) return undefined;
    return { sender: sender?.value, peer: peer?.value, outgoing: outgoing.value, incoming: incoming.value };
  }

  group(groupId: string): GroupState | null | undefined {
    return this.sources.groups.get(groupId) ?? (this.noGroups.has(groupId) ? null : undefined);
  }

  user(userId: string): UserFacts | null | undefined {
    const known = this.sources.users.get(userId);
    if (known !== undefined) return known.value;
    return this.noUsers.has(userId) ? null : undefined;
  }

  recallTarget({ conversationId, targetSeq }: SendRequest): RecallTarget | null | undefined {
    return this.targets.get(`${conversationId}#${targetSeq}`);
  }

  archivedLastSeq(conversationId: string): number | undefined {
    return this.sources.sequences.archived(conversationId);
  }

  get retentionCut(): number {
    return this.sources.retentionCut();
  }

  archivedMessage(request: SendRequest): AcceptedMessage | null | undefined {
    return this.messages.size === 0 ? undefined : this.messages.get(messageKey(request));
  }
}

export function messageKey({ senderId, conversationId, clientMsgId }: MessageKey): string {
  return `${clientMsgId} ${senderId} ${conversationId}`;
}
