/**
 * What a round needs to know from MySQL, asked while the round before is being appended: one statement per kind.
 *
 * MySQL may be slow or away, and chat must go on. So an answer is waited for 100 ms at most; users and relations
 * that were known before are then taken as they were (they are refreshed every 30 s besides), and a request whose
 * facts are not known at all gets BUSY (patience.ts says when MySQL is not even asked).
 *
 * Last numbers and archived messages are never cached: only the state of the partition may remember numbers.
 */
import type { Logger } from "@carillon/base/node";
import type { SendRequest } from "@carillon/bus";
import { groupConversationId, groupIdOf, parseConversationId } from "@carillon/protocol";
import { LRUCache } from "lru-cache";
import type { PrivateFacts, RecallTarget, Relation, UserFacts } from "../authorize/authorize";
import { digestOf, digestOfRecall } from "../body-digest";
import type { Facts } from "../decision";
import type { AcceptedMessage } from "../dedupe/accepted-message";
import type { GroupCache } from "../groups/group-cache";
import type { GroupState } from "../groups/group-state";
import type { PartitionState } from "../partition-state";
import type { ArchivedMessage, FactSource, MessageKey } from "./fact-source";
import { LoadsUnderWay } from "./loads-under-way";
import { Patience } from "./patience";

const FRESH_MS = 30_000;
/** Users, and directed pairs of users, that are remembered. */
const MOST_KNOWN = 200_000;
/** Conversations whose people are loaded by one statement. */
const WARM_AT_ONCE = 500;

interface Known<T> {
  value: T;
  loadedAt: number;
}

/** Users, and directed pairs of them, of whom nothing is known, or only what was so too long ago. */
interface MissingPeople {
  users: Set<string>;
  pairs: Set<string>;
  staleBefore: number;
}

export class FactCache {
  private readonly users: LRUCache<string, Known<UserFacts | undefined>>;
  private readonly relations: LRUCache<string, Known<Relation>>;
  private readonly userLoads = new LoadsUnderWay();
  private readonly relationLoads = new LoadsUnderWay();
  private readonly patience: Patience;

  constructor(
    private readonly source: FactSource,
    private readonly logger: Logger,
    private readonly monotonic: () => number,
    most = MOST_KNOWN,
  ) {
    this.users = new LRUCache({ max: most });
    this.relations = new LRUCache({ max: most });
    this.patience = new Patience(monotonic, () => logger.warn("MySQL does not answer: what is not known gets BUSY"));
  }

  /** Asks for what these requests need and is not known. The result answers from what came in time. */
  async prepare(state: PartitionState, groups: GroupCache, requests: SendRequest[]): Promise<RoundFacts> {
    const facts = new RoundFacts(this.users, this.relations, groups);
    const wanted = this.collect(state, groups, requests);
    await Promise.all([
      this.ask(wanted.groups, async (ids) => {
        const found = await groups.load(ids);
        for (const id of ids) if (!found.has(id)) facts.noGroups.add(id);
      }),
      this.ask(wanted.users, (ids) => this.loadUsers(ids)),
      this.ask(wanted.pairs, (keys) => this.loadRelations(keys)),
      this.ask(wanted.cold, async (ids) => {
        const found = await this.source.lastSeqs(ids);
        for (const id of ids) facts.lastSeqs.set(id, found.get(id) ?? 0);
      }),
      this.ask(wanted.targets, async (requests) => {
        const places = requests.map(({ conversationId, targetSeq }) => ({ conversationId, seq: targetSeq! }));
        const found = await this.source.recallTargets(places);
        for (const { conversationId, seq } of places) {
          const target = found.get(`${conversationId}#${seq}`);
          // Without a row it is one that nobody wrote, or one that is not archived yet.
          const last = state.sequences.last(conversationId) ?? 0;
          if (target !== undefined || seq > last) facts.targets.set(`${conversationId}#${seq}`, target ?? null);
        }
      }),
      this.ask(wanted.late, async (late) => {
        const found = await this.source.messagesById(late);
        for (const request of late) facts.messages.set(messageKey(request), null);
        for (const message of found) facts.messages.set(messageKey(message), accepted(message));
      }),
    ]);
    return facts;
  }

  /** Asks for whatever says whether a user may write there. The result answers from what came in time. */
  async prepareWriter(groups: GroupCache, conversationId: string, userId: string): Promise<RoundFacts> {
    const facts = new RoundFacts(this.users, this.relations, groups);
    const people = this.nobody();
    const groupId = groupIdOf(conversationId);
    if (groupId === undefined) this.addMissing(people, conversationId);
    else this.addMissingUser(people, userId);
    await Promise.all([
      this.ask(groupId === undefined || groups.isFresh(groupId) ? [] : [groupId], async (ids) => {
        await groups.load(ids);
      }),
      this.ask([...people.users], (ids) => this.loadUsers(ids)),
      this.ask([...people.pairs], (keys) => this.loadRelations(keys)),
    ]);
    return facts;
  }

  /**
   * Which of these users may be seen by each watcher: his friends, or by `orStrangers` all who do not block him.
   * @throws when MySQL does not answer about one of whom nothing is known
   */
  async visible(wanted: [watcherId: string, userIds: string[]][], orStrangers: boolean): Promise<string[][]> {
    const { staleBefore } = this.nobody();
    const pairs = wanted.flatMap(([watcherId, userIds]) => userIds.map((userId) => `${userId} ${watcherId}`));
    const missing = pairs.filter((pair) => isMissing(this.relations.get(pair), staleBefore));
    if (missing.length > 0) await this.loadRelations([...new Set(missing)]);
    return wanted.map(([watcherId, userIds]) =>
      userIds.filter((userId) => {
        const relation = this.relations.get(`${userId} ${watcherId}`)?.value;
        return userId === watcherId || relation === "friend" || (orStrangers && relation === "none");
      }),
    );
  }

  /** Asks for the groups, newly, and the last numbers of their conversations. */
  async prepareGroups(state: PartitionState, groups: GroupCache, groupIds: string[]): Promise<RoundFacts> {
    const facts = new RoundFacts(this.users, this.relations, groups);
    const cold = groupIds.map(groupConversationId).filter((id) => state.sequences.last(id) === undefined);
    const [found, lastSeqs] = await Promise.all([groups.load(groupIds), this.source.lastSeqs(cold)]);
    for (const id of groupIds) if (!found.has(id)) facts.noGroups.add(id);
    for (const id of cold) facts.lastSeqs.set(id, lastSeqs.get(id) ?? 0);
    return facts;
  }

  /**
   * Loads the people of conversations that will be written to soon, without the haste of a round: a new owner would
   * have to ask for all of them at once, with senders waiting.
   */
  async warm(conversationIds: string[]): Promise<void> {
    for (let from = 0; from < conversationIds.length; from += WARM_AT_ONCE) {
      const people = this.nobody();
      for (const id of conversationIds.slice(from, from + WARM_AT_ONCE)) this.addMissing(people, id);
      const { users, pairs } = people;
      if (users.size > 0) await this.loadUsers([...users]);
      if (pairs.size > 0) await this.loadRelations([...pairs]);
    }
  }

  /** Forgets what is cached about a pair of users: their relation changed. */
  forgetRelation(a: string, b: string): void {
    for (const key of [`${a} ${b}`, `${b} ${a}`]) {
      this.relationLoads.forget(key);
      this.relations.delete(key);
    }
  }

  /** Forgets what is cached about a user: he was disabled, muted, or is normal again. */
  forgetUser(userId: string): void {
    this.userLoads.forget(userId);
    this.users.delete(userId);
  }

  /** Forgets everybody: orders to forget may have been lost. */
  forgetEverybody(): void {
    for (const loads of [this.userLoads, this.relationLoads]) loads.forget();
    this.users.clear();
    this.relations.clear();
  }

  private collect(state: PartitionState, groups: GroupCache, requests: SendRequest[]) {
    const people = this.nobody();
    const [cold, stale] = [new Set<string>(), new Set<string>()];
    const [late, targets]: [SendRequest[], SendRequest[]] = [[], []];
    for (const request of requests) {
      const { conversationId, senderId } = request;
      if (!this.addMissing(people, conversationId)) {
        const groupId = groupIdOf(conversationId);
        if (groupId === undefined) continue;
        if (!groups.isFresh(groupId)) stale.add(groupId);
        this.addMissingUser(people, senderId);
      }
      if (state.sequences.last(conversationId) === undefined) cold.add(conversationId);
      if (request.targetSeq !== undefined) targets.push(request);
      if (state.dedupe.needsArchive(request)) late.push(request);
    }
    return { users: [...people.users], pairs: [...people.pairs], groups: [...stale], cold: [...cold], late, targets };
  }

  private nobody(): MissingPeople {
    return { users: new Set(), pairs: new Set(), staleBefore: this.monotonic() - FRESH_MS };
  }

  /** @returns false for a conversation that is not private */
  private addMissing(people: MissingPeople, conversationId: string): boolean {
    const parts = parseConversationId(conversationId);
    if (parts?.kind !== "private") return false;
    const [a, b] = parts.userIds;
    this.addMissingUser(people, a);
    if (a === b) return true;
    this.addMissingUser(people, b);
    for (const key of [`${a} ${b}`, `${b} ${a}`]) {
      if (isMissing(this.relations.get(key), people.staleBefore)) people.pairs.add(key);
    }
    return true;
  }

  private addMissingUser({ users, staleBefore }: MissingPeople, userId: string): void {
    if (isMissing(this.users.get(userId), staleBefore)) users.add(userId);
  }

  private async loadUsers(ids: string[]): Promise<void> {
    const { found, isVoid } = await this.userLoads.run(() => this.source.users(ids));
    const loadedAt = this.monotonic();
    for (const id of ids) if (!isVoid(id)) this.users.set(id, { value: found.get(id), loadedAt });
    const again = ids.filter(isVoid);
    if (again.length > 0) await this.loadUsers(again);
  }

  private async loadRelations(keys: string[]): Promise<void> {
    const pairs = keys.map((key) => key.split(" ") as [string, string]);
    const { found, isVoid } = await this.relationLoads.run(() => this.source.relations(pairs));
    const loadedAt = this.monotonic();
    for (const key of keys) if (!isVoid(key)) this.relations.set(key, { value: found.get(key) ?? "none", loadedAt });
    const again = keys.filter(isVoid);
    if (again.length > 0) await this.loadRelations(again);
  }

  /** @returns undefined when nothing is wanted: most rounds want one kind of facts, or none */
  private ask<T>(wanted: T[], load: (wanted: T[]) => Promise<void>): Promise<void> | undefined {
    if (wanted.length === 0) return undefined;
    return this.patience
      .ask(() => load(wanted))
      .catch((err: Error) => this.logger.debug({ err }, "facts did not come in time"));
  }
}

function isMissing(known: Known<unknown> | undefined, staleBefore: number): boolean {
  return known === undefined || known.loadedAt < staleBefore;
}

/** What is known for one round. */
export class RoundFacts implements Facts {
  readonly lastSeqs = new Map<string, number>();
  readonly messages = new Map<string, AcceptedMessage | null>();
  /** Groups that were asked for and do not exist. */
  readonly noGroups = new Set<string>();
  /** By `${conversationId}#${seq}`. */
  readonly targets = new Map<string, RecallTarget | null>();

  constructor(
    private readonly users: LRUCache<string, Known<UserFacts | undefined>>,
    private readonly relations: LRUCache<string, Known<Relation>>,
    private readonly groups: GroupCache,
  ) {}

  /** What several batches of one round asked for. */
  static merge(parts: RoundFacts[]): RoundFacts {
    const [merged, ...rest] = parts as [RoundFacts, ...RoundFacts[]];
    for (const part of rest) {
      for (const [id, seq] of part.lastSeqs) merged.lastSeqs.set(id, seq);
      for (const [key, message] of part.messages) merged.messages.set(key, message);
      for (const [place, target] of part.targets) merged.targets.set(place, target);
      for (const groupId of part.noGroups) merged.noGroups.add(groupId);
    }
    return merged;
  }

  privateFacts(senderId: string, peerId: string): PrivateFacts | undefined {
    // Prepared a moment ago: that they were used lately is known.
    const [sender, peer] = [this.users.peek(senderId), this.users.peek(peerId)];
    if (sender === undefined || peer === undefined) return undefined;
    if (senderId === peerId) {
      return { sender: sender.value, peer: peer.value, outgoing: "none", incoming: "none" };
    }
    const outgoing = this.relations.peek(`${senderId} ${peerId}`);
    const incoming = this.relations.peek(`${peerId} ${senderId}`);
    if (outgoing === undefined || incoming === undefined) return undefined;
    return { sender: sender.value, peer: peer.value, outgoing: outgoing.value, incoming: incoming.value };
  }

  group(groupId: string): GroupState | null | undefined {
    return this.groups.get(groupId) ?? (this.noGroups.has(groupId) ? null : undefined);
  }

  user(userId: string): UserFacts | null | undefined {
    const known = this.users.get(userId);
    return known === undefined ? undefined : (known.value ?? null);
  }

  recallTarget({ conversationId, targetSeq }: SendRequest): RecallTarget | null | undefined {
    return this.targets.get(`${conversationId}#${targetSeq}`);
  }

  archivedLastSeq(conversationId: string): number | undefined {
    return this.lastSeqs.get(conversationId);
  }

  archivedMessage(request: SendRequest): AcceptedMessage | null | undefined {
    return this.messages.size === 0 ? undefined : this.messages.get(messageKey(request));
  }
}

function messageKey({ senderId, conversationId, clientMsgId }: MessageKey): string {
  return `${clientMsgId} ${senderId} ${conversationId}`;
}

function accepted(message: ArchivedMessage): AcceptedMessage {
  const { seq, messageId, sentAt } = message;
  return { digest: archivedDigest(message), seq, messageId, sentAt };
}

/** Of a message that was recalled nobody knows any more what it was: any repeat of its id is taken for one of it. */
function archivedDigest({ kind, contentType, content, targetSeq, recalled }: ArchivedMessage): string | undefined {
  if (recalled) return undefined;
  return kind === "recall" ? digestOfRecall(targetSeq!) : digestOf(contentType, content);
}
