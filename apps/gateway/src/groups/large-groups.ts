/** The large groups to which users here belong: looked up when a user connects, followed while the user is here. */
import { detached, PacedJob, sleep } from "@carillon/base";
import { ask, type Bus, type GroupNews, largeGroupsRead } from "@carillon/bus";
import { Command, type FocusPayload, parseConversationId } from "@carillon/protocol";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import { REPAIR_EVERY_MS } from "../timings";
import { GroupOwner } from "./group-owner";
import { LargeGroup } from "./large-group";

const USERS_PER_QUESTION = 500;
const RETRY_MS = 1_000;

export class LargeGroups {
  private readonly groups = new Map<string, LargeGroup>();
  /** Users for whose large groups a worker has to be asked. */
  private readonly unknown = new Set<string>();
  private isAsking = false;
  private readonly stopping = new AbortController();
  private readonly staleJob = new PacedJob(
    async () => this.markAllStale(),
    REPAIR_EVERY_MS,
    () => {},
  );

  constructor(
    private readonly bus: Bus,
    private readonly partitions: number,
    private readonly users: UserRegistry,
  ) {}

  /** A session of this user is open. */
  added(userId: string): void {
    this.unknown.add(userId);
    detached("group", this.lookUp());
  }

  /** The session is closed. */
  disconnected(session: Session, userId: string): void {
    this.focus(session, undefined);
    if (this.users.user(userId) !== undefined) return;
    this.unknown.delete(userId);
    for (const group of this.groups.values()) group.leave(userId);
  }

  /** FOCUS: the device looks at this conversation from now on, or at none. */
  request(session: Session, requestId: number, { conversationId }: FocusPayload): void {
    this.focus(session, conversationId ?? undefined);
    session.reply(Command.OK, requestId, {});
  }

  /** Sets the conversation at which the device looks; undefined: none. */
  focus(session: Session, conversationId: string | undefined): void {
    const before = session.focus;
    session.focus = conversationId;
    for (const id of new Set([before, conversationId])) this.groupOf(id)?.focus(session, id === conversationId);
  }

  /** A worker tells which users have joined large groups, or that a group has become small. */
  receive(news: GroupNews[]): void {
    for (const { groupId, seq, members } of news) {
      if (members === undefined) this.groups.get(groupId)?.becameSmall(seq);
      else
        this.requestRoster(
          groupId,
          members.filter((userId) => this.users.user(userId) !== undefined),
          seq,
        );
    }
  }

  /** A tick names the last numbers of groups that had an event lately. */
  tick(groups: [groupId: string, lastSeq: number][]): void {
    for (const [groupId, lastSeq] of groups) this.groups.get(groupId)?.tick(lastSeq);
  }

  /** Events, or news of members, may be lost: owners and workers are asked again, at most every 2 s. */
  markStale(): void {
    this.staleJob.request();
  }

  stop(): void {
    this.stopping.abort();
    this.staleJob.stop();
    for (const group of [...this.groups.values()]) group.end();
  }

  private markAllStale(): void {
    for (const group of [...this.groups.values()]) group.markStale();
    for (const userId of this.users.userIds) this.unknown.add(userId);
    detached("group", this.lookUp());
  }

  private groupOf(conversationId: string | undefined): LargeGroup | undefined {
    const parts = conversationId === undefined ? undefined : parseConversationId(conversationId);
    return parts?.kind === "group" ? this.groups.get(parts.groupId) : undefined;
  }

  private requestRoster(groupId: string, userIds: string[], seq?: number): void {
    if (userIds.length === 0 || this.stopping.signal.aborted) return;
    let group = this.groups.get(groupId);
    if (group === undefined) {
      group = this.open(groupId);
      this.groups.set(groupId, group);
    }
    group.requestRoster(userIds, seq);
  }

  private open(groupId: string): LargeGroup {
    const { bus, partitions, users } = this;
    const owner = new GroupOwner(bus, groupId, partitions);
    const onEnd = () => {
      if (this.groups.get(groupId) === group) this.groups.delete(groupId);
    };
    const group: LargeGroup = new LargeGroup({ owner, users, bus, onEnd });
    return group;
  }

  /** Asks for the large groups of users; users who connect meanwhile join the next question. */
  private async lookUp(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    while (this.unknown.size > 0 && !this.stopping.signal.aborted) {
      const userIds = [...this.unknown].slice(0, USERS_PER_QUESTION);
      for (const userId of userIds) this.unknown.delete(userId);
      try {
        const found = await ask(this.bus, largeGroupsRead, { userIds });
        for (const [userId, groupIds] of found) {
          if (this.users.user(userId) !== undefined)
            for (const groupId of groupIds) this.requestRoster(groupId, [userId]);
        }
      } catch (err) {
        this.bus.logger.debug({ err }, "no worker told the large groups of users, the gateway asks again");
        for (const userId of userIds) this.unknown.add(userId);
        await sleep(RETRY_MS, this.stopping.signal);
      }
    }
    this.isAsking = false;
  }
}
