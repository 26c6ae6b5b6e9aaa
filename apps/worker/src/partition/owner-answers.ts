/**
 * Answers of the owner of a partition about its conversations: no other process knows their last numbers and members at this
 * very moment.
 */
import type { GroupRoster, Listeners, Readable, ReadableSpans } from "@carillon/bus";
import { CarillonError, groupConversationId, groupIdOf, orBusy, parseConversationId } from "@carillon/protocol";
import { type Policy, refuseGroup, refusePrivate } from "../decide/authorize";
import type { GroupState } from "../decide/group-state";
import type { FactCache } from "../lookups/fact-cache";
import type { GroupCache } from "../lookups/group-cache";
import type { PartitionState } from "./state";

export interface OwnerAnswersOptions {
  state: PartitionState;
  groups: GroupCache;
  facts: Pick<FactCache, "prepareWriter" | "lastSeqs">;
  policy: Policy;
  now(): number;
}

export class OwnerAnswers {
  constructor(private readonly options: OwnerAnswersOptions) {}

  async lastSeq(conversationId: string): Promise<number> {
    return (await this.lastSeqs([conversationId])).get(conversationId)!;
  }

  /** How far each of these users may have read: the last number of a conversation that the user belongs to, otherwise 0. */
  async readable(wanted: [conversationId: string, userId: string][]): Promise<Readable> {
    const [lastSeqs, groups] = await Promise.all([
      this.lastSeqs(wanted.map(([conversationId]) => conversationId)),
      this.freshGroups(wanted.flatMap(([conversationId]) => groupIdOf(conversationId) ?? [])),
    ]);
    return wanted.map(([conversationId, userId]) => {
      const parts = parseConversationId(conversationId);
      const isHis =
        parts?.kind === "private"
          ? parts.userIds.includes(userId)
          : parts !== undefined && groups.get(parts.groupId)?.member(userId) !== undefined;
      return isHis ? lastSeqs.get(conversationId)! : 0;
    });
  }

  /** @throws CarillonError NO_SUCH_CONVERSATION for a user who never belonged to the group */
  async groupSpans(groupId: string, userId: string): Promise<ReadableSpans> {
    const group = (await this.freshGroups([groupId])).get(groupId);
    const known = group?.spansOf(userId) ?? [];
    if (known.length === 0) throw new CarillonError("NO_SUCH_CONVERSATION");
    const lastSeq = await this.lastSeq(groupConversationId(groupId));
    const isMember = group?.member(userId) !== undefined;
    const spans = this.options.policy.showsBefore && isMember ? [{ from: 1, to: lastSeq }] : known;
    // A user who has left is not told how far the conversation goes on.
    const last = isMember ? lastSeq : Math.min(lastSeq, Math.max(...known.map(({ to }) => to)));
    return { spans: spans.map(({ from, to }) => [from, Math.min(to, last)]), lastSeq: last };
  }

  async groupRoster(groupId: string, userIds: string[]): Promise<GroupRoster> {
    const { state, groups } = this.options;
    const conversationId = groupConversationId(groupId);
    const isOwn = state.sequences.last(conversationId) !== undefined;
    const lastSeq = await this.lastSeq(conversationId);
    // A number that the archive gave may be of another owner, who alone was told of the changes before it.
    const found = isOwn ? this.freshGroups([groupId]) : orBusy(groups.load([groupId]));
    const group = (await found).get(groupId);
    // A user who joined by an event after that number is not a member yet: the group is loaded as it is now.
    const members = userIds.flatMap((userId): GroupRoster["members"] => {
      const span = group?.spansOf(userId).at(-1);
      return span === undefined || span.from > lastSeq || span.to <= lastSeq ? [] : [[userId, span.from]];
    });
    return { isLarge: group?.group.fanOut === "read", lastSeq, members };
  }

  /** The users who may be told that a user is typing: those to whom the user may write; in a large group none. */
  async listeners(conversationId: string, userId: string): Promise<Listeners> {
    const { state, facts, groups, policy, now } = this.options;
    const known = await facts.prepareWriter(state, groups, conversationId, userId);
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "group") {
      const group = known.group(parts.groupId) ?? undefined;
      const sender = known.user(userId) ?? undefined;
      const refused = refuseGroup(sender, group?.group, group?.member(userId), now());
      if (refused !== undefined || group?.group.fanOut === "read") return [];
      return group!.present.filter((member) => member !== userId);
    }
    const peerId = parts?.userIds.find((id) => id !== userId);
    if (peerId === undefined || !parts!.userIds.includes(userId)) return [];
    const pair = known.privateFacts(userId, peerId);
    return pair !== undefined && refusePrivate(pair, false, policy, now()) === undefined ? [peerId] : [];
  }

  private lastSeqs(conversationIds: string[]): Promise<Map<string, number>> {
    const { state, facts } = this.options;
    return orBusy(facts.lastSeqs(state, conversationIds));
  }

  private async freshGroups(groupIds: string[]): Promise<Map<string, GroupState>> {
    const { groups } = this.options;
    const stale = groupIds.filter((groupId) => !groups.isFresh(groupId));
    if (stale.length > 0) await orBusy(groups.load([...new Set(stale)]));
    const found = new Map<string, GroupState>();
    for (const groupId of groupIds) {
      const group = groups.get(groupId);
      if (group !== undefined) found.set(groupId, group);
    }
    return found;
  }
}
