/** The large groups that users of this gateway belong to: found when a user comes, followed while he is here. */
import { detached, PacedJob, partitionOf, sleep } from "@carillon/base";
import {
  ask,
  type Bus,
  type GroupNews,
  type GroupRoster,
  type LargeGroupsOf,
  type LargeGroupsRead,
  listenToGroup,
  type OwnerQuestion,
  subjects,
} from "@carillon/bus";
import { groupConversationId, parseConversationId } from "@carillon/protocol";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import { LargeGroup } from "./large-group";

const USERS_PER_QUESTION = 500;
const RETRY_MS = 1_000;
const DOUBT_AT_MOST_EVERY_MS = 2_000;

export class LargeGroups {
  private readonly groups = new Map<string, LargeGroup>();
  /** Users whose groups have to be asked for. */
  private readonly unknown = new Set<string>();
  private isAsking = false;
  private readonly stopping = new AbortController();
  private readonly doubts = new PacedJob(
    async () => this.doubtAll(),
    DOUBT_AT_MOST_EVERY_MS,
    () => {},
  );

  constructor(
    private readonly bus: Bus,
    private readonly partitions: number,
    private readonly users: UserRegistry,
  ) {}

  /** A session of this user is open. */
  came(userId: string): void {
    this.unknown.add(userId);
    detached("group", this.lookUp());
  }

  /** A session is gone. */
  left(session: Session, userId: string): void {
    this.focus(session, undefined);
    if (this.users.user(userId) !== undefined) return;
    this.unknown.delete(userId);
    for (const group of this.groups.values()) group.leave(userId);
  }

  /** The conversation that a device looks at. */
  focus(session: Session, conversationId: string | undefined): void {
    const before = session.focus;
    session.focus = conversationId;
    for (const one of new Set([before, conversationId])) this.groupOf(one)?.focus(session, one === conversationId);
  }

  /** Who belongs to large groups now. */
  hear(news: GroupNews[]): void {
    for (const { groupId, seq, members } of news) {
      if (members === undefined) this.groups.get(groupId)?.becameSmall(seq);
      else
        this.want(
          groupId,
          members.filter((userId) => this.users.user(userId) !== undefined),
          seq,
        );
    }
  }

  /** Last numbers of groups in which something was said lately. */
  tick(groups: [groupId: string, lastSeq: number][]): void {
    for (const [groupId, lastSeq] of groups) this.groups.get(groupId)?.tick(lastSeq);
  }

  /** What was said, or who came, may be lost. */
  doubt(): void {
    this.doubts.request();
  }

  stop(): void {
    this.stopping.abort();
    this.doubts.stop();
    for (const group of [...this.groups.values()]) group.end();
  }

  private doubtAll(): void {
    for (const group of [...this.groups.values()]) group.doubt();
    for (const userId of this.users.userIds) this.unknown.add(userId);
    detached("group", this.lookUp());
  }

  private groupOf(conversationId: string | undefined): LargeGroup | undefined {
    const parts = conversationId === undefined ? undefined : parseConversationId(conversationId);
    return parts?.kind === "group" ? this.groups.get(parts.groupId) : undefined;
  }

  private want(groupId: string, userIds: string[], seq?: number): void {
    if (userIds.length === 0 || this.stopping.signal.aborted) return;
    let group = this.groups.get(groupId);
    if (group === undefined) {
      group = this.open(groupId);
      this.groups.set(groupId, group);
    }
    group.want(userIds, seq);
  }

  private open(groupId: string): LargeGroup {
    const { bus, partitions, users } = this;
    const conversationId = groupConversationId(groupId);
    const owner = subjects.owner(partitionOf(conversationId, partitions));
    const group: LargeGroup = new LargeGroup({
      conversationId,
      sessions: (userId) => users.user(userId)?.sessions ?? [],
      listen: (onEvents) => listenToGroup(bus, groupId, onEvents),
      roster: (userIds) =>
        inParts(userIds, (some) =>
          ask<OwnerQuestion, GroupRoster>(bus, owner, { ask: "group-roster", groupId, userIds: some }),
        ),
      monotonic: () => bus.clock.monotonic(),
      onUnanswered: (err) => bus.logger.debug({ groupId, err }, "the owner of a group is asked again"),
      onEnd: () => {
        if (this.groups.get(groupId) === group) this.groups.delete(groupId);
      },
    });
    return group;
  }

  /** Asks for the groups of all users who came; one question serves those who came meanwhile. */
  private async lookUp(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    while (this.unknown.size > 0 && !this.stopping.signal.aborted) {
      const userIds = [...this.unknown].slice(0, USERS_PER_QUESTION);
      for (const userId of userIds) this.unknown.delete(userId);
      try {
        const found = await ask<LargeGroupsRead, LargeGroupsOf>(this.bus, subjects.groups, { userIds });
        for (const [userId, groupIds] of found) {
          if (this.users.user(userId) !== undefined) for (const groupId of groupIds) this.want(groupId, [userId]);
        }
      } catch (err) {
        this.bus.logger.debug({ err }, "the groups of users are asked for again");
        for (const userId of userIds) this.unknown.add(userId);
        await sleep(RETRY_MS, this.stopping.signal);
      }
    }
    this.isAsking = false;
  }
}

/** Users who are asked about in one message, whatever their ids. */
const MOST_ASKED = 8_000;

/**
 * A roster that is asked for in parts, each a little later than the one before. It is that of the first part's number:
 * what was changed behind it is heard as well, and may be heard of somebody whose part had it already.
 */
export async function inParts(userIds: string[], ask: (some: string[]) => Promise<GroupRoster>): Promise<GroupRoster> {
  const whole = await ask(userIds.slice(0, MOST_ASKED));
  for (let at = MOST_ASKED; at < userIds.length; at += MOST_ASKED) {
    const { isLarge, lastSeq, members } = await ask(userIds.slice(at, at + MOST_ASKED));
    whole.isLarge &&= isLarge;
    whole.lastSeq = Math.min(whole.lastSeq, lastSeq);
    whole.members.push(...members);
  }
  return whole;
}
