/**
 * The groups of one partition, loaded when they are needed and for as long as the partition is owned: every change of
 * a group is told to the owner before its maker has an answer, so what is here is never older than what was answered.
 * Every 30 s it is looked at again all the same.
 */
import { GroupedQuestions } from "@carillon/base";
import { TIMINGS } from "@carillon/bus";
import { groupConversationId } from "@carillon/protocol";
import type { LoadedGroup } from "@carillon/store";
import { LRUCache } from "lru-cache";
import { GroupState } from "../decide/group-state";
import type { GroupChanges } from "../decide/unarchived";

/** Members of all groups together. */
const MOST_MEMBERS = 200_000;

export interface GroupSource {
  load(wanted: { groupId: string; version: number }[]): Promise<Map<string, LoadedGroup>>;
}

export class GroupCache {
  private readonly groups = new LRUCache<string, GroupState>({
    maxSize: MOST_MEMBERS,
    sizeCalculation: (group) => group.size + 1,
  });
  /** An answer that is too old is thrown away: the log may have forgotten the numbers of what was not archived then. */
  private readonly questions: GroupedQuestions<string, GroupState>;

  constructor(
    private readonly source: GroupSource,
    private readonly numbered: GroupChanges,
    private readonly monotonic: () => number,
  ) {
    const ask = (groupIds: string[]) => this.loadNow(groupIds);
    this.questions = new GroupedQuestions({ idOf: (groupId: string) => groupId, monotonic, ask });
  }

  /** The known state of a group; it may be older than 30 s. */
  get(groupId: string): GroupState | undefined {
    return this.groups.get(groupId);
  }

  /** A change of this group is in the log now. */
  settle(groupId: string): void {
    this.groups.get(groupId)?.settle();
  }

  isFresh(groupId: string): boolean {
    const group = this.groups.get(groupId);
    return group !== undefined && group.loadedAt > this.monotonic() - TIMINGS.factsFreshMs;
  }

  /**
   * Reads what has changed in these groups.
   * @returns those that exist
   * @throws Unanswered, or what MySQL throws
   */
  load(groupIds: string[]): Promise<Map<string, GroupState>> {
    return this.questions.askAll([...new Set(groupIds)]);
  }

  private async loadNow(groupIds: string[]): Promise<Map<string, GroupState>> {
    const wanted = groupIds.map((groupId) => ({ groupId, version: this.groups.get(groupId)?.group.version ?? 0 }));
    const loaded = await this.source.load(wanted);
    const result = new Map<string, GroupState>();
    for (const { groupId, version } of wanted) {
      const news = loaded.get(groupId);
      const group = news && (await this.merge(groupId, news, version));
      if (group !== undefined) result.set(groupId, group);
    }
    return result;
  }

  /** @param since version above which the news tell of members */
  private async merge(groupId: string, news: LoadedGroup, since: number): Promise<GroupState | undefined> {
    const now = this.monotonic();
    let known = this.groups.get(groupId);
    if (known === undefined) {
      // It was dropped meanwhile, to make room: the news alone are not the whole group.
      if (since > 0) return (await this.loadNow([groupId])).get(groupId);
      known = new GroupState(news, groupConversationId(groupId), now, this.numbered);
    }
    // Two loads may overtake each other: what is known stays when it is newer.
    else if (known.group.version <= news.group.version) known.refresh(news, now);
    if (since > 0 && known.lacksNumbers) {
      this.groups.delete(groupId);
      return (await this.loadNow([groupId])).get(groupId);
    }
    this.groups.set(groupId, known);
    return known;
  }
}
