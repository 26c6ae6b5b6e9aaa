/**
 * Facts of MySQL that a round needs: the worker asks for them when it pulls the requests, while it appends the round before.
 *
 * MySQL may be slow or away, and chat must go on. So nothing here waits: a request whose facts are not known is parked by
 * the journey, and the rest of its round goes on. Users and relations that were known before are taken as they are;
 * they are refreshed every 30 s besides. That a user does not exist is never remembered: they may register at any moment.
 */
import { GroupedQuestions, KEYS_PER_STATEMENT } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import { type OriginatedRequest, type SendRequest, TIMINGS } from "@carillon/bus";
import { groupConversationId, parseConversationId, privateConversationId } from "@carillon/protocol";
import { LRUCache } from "lru-cache";
import type { AcceptedMessage } from "../decide/accepted-log";
import type { RecallTarget, Relation, UserFacts } from "../decide/authorize";
import { digestOf, digestOfRecall } from "../decide/decision";
import type { PartitionState } from "../partition/state";
import type { ArchivedMessage, FactSource } from "./fact-source";
import type { GroupCache } from "./group-cache";
import { type FactSources, type Known, messageKey, RoundFacts } from "./round-facts";

/** Users, and directed pairs of users, that are remembered. */
const MOST_KNOWN = 200_000;
/** How long the question who may write somewhere waits for what it needs, ms. */
const WRITER_MS = 1_000;

/** Two users. */
type Pair = readonly [string, string];

interface Place {
  conversationId: string;
  seq: number;
}

const placeKey = ({ conversationId, seq }: Place) => `${conversationId}#${seq}`;

/** All that is asked for one call, and what becomes known by it. */
interface Preparation {
  facts: RoundFacts;
  groups: GroupCache;
  staleBefore: number;
}

export class FactCache {
  private readonly users: LRUCache<string, Known<UserFacts>>;
  private readonly relations: LRUCache<string, Known<Relation>>;
  private readonly userLoads = new LoadsUnderWay();
  private readonly relationLoads = new LoadsUnderWay();
  private readonly questions;
  /** Of retention, as far as it is known: what is missing in the archive may have been deleted up to there, ms. */
  private cut = 0;

  constructor(
    source: FactSource,
    private readonly logger: Logger,
    private readonly monotonic: () => number,
    most = MOST_KNOWN,
  ) {
    this.users = new LRUCache({ max: most });
    this.relations = new LRUCache({ max: most });
    this.questions = this.newQuestions(source);
  }

  private newQuestions(source: FactSource) {
    const { monotonic } = this;
    const itself = (id: string) => id;
    const numbers = { idOf: itself, monotonic, ask: (ids: string[]) => source.lastSeqs(ids) };
    return {
      users: new GroupedQuestions<string, UserFacts>({
        ...{ idOf: itself, monotonic },
        ask: (ids) => this.loadUsers(source, ids),
      }),
      /** By pair in either order; the answers are in the cache. */
      relations: new GroupedQuestions<Pair, never>({
        idOf: (pair) => privateConversationId(...pair),
        monotonic,
        ask: async (pairs) => {
          await this.loadRelations(source, pairs);
          return new Map<string, never>();
        },
      }),
      numbers: new GroupedQuestions<string, number>(numbers),
      /** Of readers: however many there are, writers do not wait behind them. */
      readersNumbers: new GroupedQuestions<string, number>(numbers),
      messages: new GroupedQuestions<SendRequest, AcceptedMessage>({
        ...{ idOf: messageKey, monotonic },
        ask: async (wanted) => {
          const found = await source.messagesById(wanted);
          // The cut is raised before anything is deleted, so what was deleted before the look-up is below it.
          if (found.length < wanted.length) this.cut = Math.max(this.cut, await source.retentionCut());
          return new Map(found.map((message) => [messageKey(message), accepted(message)]));
        },
      }),
      targets: new GroupedQuestions<Place, RecallTarget | null>({
        ...{ idOf: placeKey, monotonic },
        ask: (places) => source.recallTargets(places),
      }),
    };
  }

  /** Asks for what these requests need and is not known. The facts answer from what has come. */
  prepare(state: PartitionState, groups: GroupCache, requests: OriginatedRequest[]): RoundFacts {
    const preparation = this.begin(state, groups);
    for (const request of requests) {
      const { conversationId, senderId } = request;
      const parts = parseConversationId(conversationId);
      if (parts === undefined) continue;
      if (parts.kind === "private") this.needPair(preparation, parts.userIds, request);
      else {
        this.needGroup(preparation, parts.groupId, request);
        this.needUser(preparation, senderId, request);
      }
      this.needNumber(preparation, state, request);
      if (request.targetSeq !== undefined) this.needTarget(preparation, state, request);
      if (state.dedupe.needsArchive(request)) this.needMessage(preparation, request);
    }
    return preparation.facts;
  }

  /** Asks for whatever says whether a user may write there. The result answers from what came within a second. */
  async prepareWriter(
    state: PartitionState,
    groups: GroupCache,
    conversationId: string,
    userId: string,
  ): Promise<RoundFacts> {
    const preparation = this.begin(state, groups);
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "private") this.needPair(preparation, parts.userIds);
    else {
      if (parts !== undefined) this.needGroup(preparation, parts.groupId);
      this.needUser(preparation, userId);
    }
    await preparation.facts.settle(WRITER_MS);
    return preparation.facts;
  }

  /**
   * Which of these users each watcher may see: their friends, or by `orStrangers` all who do not block them.
   * @throws when MySQL does not answer about a user of whom nothing is known
   */
  async visible(wanted: [watcherId: string, userIds: string[]][], orStrangers: boolean): Promise<string[][]> {
    const staleBefore = this.monotonic() - TIMINGS.factsFreshMs;
    const pairs = wanted.flatMap(([watcherId, userIds]) => userIds.map((userId): Pair => [userId, watcherId]));
    const missing = pairs.filter((pair) => isMissing(this.relations.get(relationKey(pair)), staleBefore));
    await this.questions.relations.askAll(missing);
    return wanted.map(([watcherId, userIds]) =>
      userIds.filter((userId) => {
        const relation = this.relations.get(relationKey([userId, watcherId]))?.value;
        return userId === watcherId || relation === "friend" || (orStrangers && relation === "none");
      }),
    );
  }

  /**
   * Asks for a group, newly, and the last number of its conversation.
   * @throws when MySQL does not answer
   */
  async prepareGroup(state: PartitionState, groups: GroupCache, groupId: string): Promise<RoundFacts> {
    const { facts } = this.begin(state, groups);
    const [found] = await Promise.all([groups.load([groupId]), this.lastSeqs(state, [groupConversationId(groupId)])]);
    if (!found.has(groupId)) facts.noGroups.add(groupId);
    return facts;
  }

  /**
   * Highest numbers of conversations, for those who read them; 0 for a conversation without messages.
   * @throws when MySQL does not answer about one that is not known
   */
  async lastSeqs({ sequences }: PartitionState, conversationIds: string[]): Promise<Map<string, number>> {
    const known = (id: string) => sequences.last(id) ?? sequences.archived(id);
    const cold = conversationIds.filter((id) => known(id) === undefined);
    const found = await this.questions.readersNumbers.askAll([...new Set(cold)]);
    for (const id of cold) sequences.learn(id, found.get(id) ?? 0);
    // The first message may have been accepted while MySQL was asked.
    return new Map(conversationIds.map((id) => [id, known(id) ?? found.get(id) ?? 0]));
  }

  /**
   * Loads the people of conversations that will be written to soon, some at a time: a new owner would have to ask for all
   * of them at once, with senders waiting.
   */
  async warm(conversationIds: string[]): Promise<void> {
    const staleBefore = this.monotonic() - TIMINGS.factsFreshMs;
    const some = KEYS_PER_STATEMENT / 2;
    for (let from = 0; from < conversationIds.length; from += some) {
      const asked: Promise<unknown>[] = [];
      for (const id of conversationIds.slice(from, from + some)) {
        const parts = parseConversationId(id);
        if (parts?.kind !== "private") continue;
        const users = parts.userIds.filter((userId) => isMissing(this.users.get(userId), staleBefore));
        asked.push(...users.map((userId) => this.questions.users.ask(userId)));
        if (this.isPairMissing(parts.userIds, staleBefore)) asked.push(this.questions.relations.ask(parts.userIds));
      }
      await Promise.all(asked);
    }
  }

  /** Forgets what is cached about a pair of users: their relation changed. */
  forgetRelation(a: string, b: string): void {
    for (const key of bothWays([a, b])) {
      this.relationLoads.forget(key);
      this.relations.delete(key);
    }
  }

  /** Forgets what is cached about a user: they were disabled, muted, or are normal again. */
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

  private begin({ sequences }: PartitionState, groups: GroupCache): Preparation {
    const { users, relations } = this;
    const sources: FactSources = { users, relations, groups, sequences, retentionCut: () => this.cut };
    const now = this.monotonic();
    return { facts: new RoundFacts(sources, now), groups, staleBefore: now - TIMINGS.factsFreshMs };
  }

  private needPair(preparation: Preparation, pair: Pair, request?: SendRequest): void {
    for (const userId of pair) this.needUser(preparation, userId, request);
    if (!this.isPairMissing(pair, preparation.staleBefore)) return;
    const isKnown = bothWays(pair).every((key) => this.relations.has(key));
    this.need(preparation, this.questions.relations.ask(pair), isKnown ? undefined : request);
  }

  private isPairMissing(pair: Pair, staleBefore: number): boolean {
    // Nobody has a relation to themselves.
    if (pair[0] === pair[1]) return false;
    return bothWays(pair).some((key) => isMissing(this.relations.get(key), staleBefore));
  }

  private needUser(preparation: Preparation, userId: string, request?: SendRequest): void {
    if (!isMissing(this.users.get(userId), preparation.staleBefore)) return;
    const { noUsers } = preparation.facts;
    const isKnown = this.users.has(userId);
    const question = this.questions.users.ask(userId).then((found) => {
      if (found === undefined) noUsers.add(userId);
    });
    this.need(preparation, question, isKnown ? undefined : request);
  }

  private needGroup(preparation: Preparation, groupId: string, request?: SendRequest): void {
    const { groups, facts } = preparation;
    if (groups.isFresh(groupId)) return;
    const isKnown = groups.get(groupId) !== undefined;
    const question = groups.load([groupId]).then((found) => {
      if (!found.has(groupId)) facts.noGroups.add(groupId);
    });
    this.need(preparation, question, isKnown ? undefined : request);
  }

  private needNumber(preparation: Preparation, { sequences }: PartitionState, request: SendRequest): void {
    const { conversationId } = request;
    if (sequences.last(conversationId) !== undefined || sequences.archived(conversationId) !== undefined) return;
    const question = this.questions.numbers.ask(conversationId).then((seq) => {
      sequences.learn(conversationId, seq ?? 0);
    });
    this.need(preparation, question, request);
  }

  private needTarget(preparation: Preparation, { sequences }: PartitionState, request: SendRequest): void {
    const { conversationId, targetSeq } = request;
    const place = { conversationId, seq: targetSeq! };
    const question = this.questions.targets.ask(place).then((target) => {
      // Without a row it is a message that nobody wrote, or one that is not archived yet.
      const isBeyond = place.seq > (sequences.last(conversationId) ?? 0);
      if (target !== undefined || isBeyond) preparation.facts.targets.set(placeKey(place), target ?? null);
    });
    this.need(preparation, question, request);
  }

  private needMessage(preparation: Preparation, request: SendRequest): void {
    const question = this.questions.messages.ask(request).then((message) => {
      preparation.facts.messages.set(messageKey(request), message ?? null);
    });
    this.need(preparation, question, request);
  }

  private need({ facts }: Preparation, question: Promise<unknown>, about: SendRequest | undefined): void {
    const answered = question.then(
      () => {},
      (err: Error) => this.logger.debug({ err }, "a fact did not come"),
    );
    facts.add(answered, about);
  }

  private async loadUsers(source: FactSource, ids: string[]): Promise<Map<string, UserFacts>> {
    const { found, isVoid } = await this.userLoads.run(() => source.users(ids));
    const loadedAt = this.monotonic();
    for (const [id, value] of found) if (!isVoid(id)) this.users.set(id, { value, loadedAt });
    for (const id of ids) if (!found.has(id)) this.users.delete(id);
    const again = ids.filter(isVoid);
    if (again.length === 0) return found;
    return new Map([...found, ...(await this.loadUsers(source, again))]);
  }

  /** Both ways of each pair. */
  private async loadRelations(source: FactSource, pairs: Pair[]): Promise<void> {
    const directed = pairs.flatMap(([a, b]): Pair[] => [
      [a, b],
      [b, a],
    ]);
    const { found, isVoid } = await this.relationLoads.run(() => source.relations(directed));
    const loadedAt = this.monotonic();
    for (const key of directed.map(relationKey))
      if (!isVoid(key)) this.relations.set(key, { value: found.get(key) ?? "none", loadedAt });
    const again = pairs.filter((pair) => bothWays(pair).some(isVoid));
    if (again.length > 0) await this.loadRelations(source, again);
  }
}

const relationKey = ([owner, peer]: Pair) => `${owner} ${peer}`;

/** The relation of each to the other. */
const bothWays = ([a, b]: Pair) => [relationKey([a, b]), relationKey([b, a])];

function isMissing(known: Known<unknown> | undefined, staleBefore: number): boolean {
  return known === undefined || known.loadedAt < staleBefore;
}

function accepted(message: ArchivedMessage): AcceptedMessage {
  const { seq, messageId, sentAt } = message;
  return { digest: archivedDigest(message), seq, messageId, sentAt };
}

/** The content of a recalled message is gone: any repeat of its id counts as a repeat of the message. */
function archivedDigest({ kind, contentType, content, targetSeq, recalled }: ArchivedMessage): string | undefined {
  if (recalled) return undefined;
  return kind === "recall" ? digestOfRecall(targetSeq!) : digestOf(contentType, content);
}

/**
 * Questions to MySQL that are under way. An answer to a question that was asked before a change may hold the old value: the
 * worker must not remember it, or the order to forget would be undone.
 */
class LoadsUnderWay {
  /** For each load, what was forgotten since it began; undefined in it: everything. */
  private readonly loads = new Set<Set<string | undefined>>();

  /** @returns the answer, and which keys were forgotten meanwhile: what it says of them is void */
  async run<T>(load: () => Promise<T>): Promise<{ found: T; isVoid(key: string): boolean }> {
    const forgotten = new Set<string | undefined>();
    this.loads.add(forgotten);
    try {
      const found = await load();
      return { found, isVoid: (key) => forgotten.has(key) || forgotten.has(undefined) };
    } finally {
      this.loads.delete(forgotten);
    }
  }

  /** @param key absent: everything */
  forget(key?: string): void {
    for (const forgotten of this.loads) forgotten.add(key);
  }
}
