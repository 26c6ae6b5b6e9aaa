/** A group whose members join and leave: its rows in MySQL, the api that changes them, and the members according to the log. */
import { getOrSet, partitionOf, uuidv7 } from "@carillon/base";
import { askOwner } from "@carillon/bus";
import { encodeSystemContent, membershipOf, parseSystemContent } from "@carillon/protocol";
import type { GroupChange, GroupFanOut, LoadedGroup, MemberStays } from "@carillon/store";
import type { Connection, Network } from "./connection";
import type { LogObserver, SeenEvent } from "./observer";

const GROUP = "choir";
export const GROUP_CONVERSATION = `g:${GROUP}`;
/** Members up to which the group is small. */
const WRITE_FAN_OUT = 2;
const CLOCK = Date.UTC(2026, 0, 1);

type Row = MemberStays & { version: number };

export class SimGroups {
  readonly violations: string[] = [];
  private version = 1;
  private readonly members = new Map<string, Row>();
  private owed: GroupChange[] = [];
  /** Members according to the log, up to the events read so far. */
  private readonly present = new Set<string>();
  private readonly recipientsAt = new Map<number, string[]>();
  /** The user who joins or leaves by an event. */
  private readonly namedAt = new Map<number, string[]>();
  private passed = 0;
  /** By user: the time of the api's last answer that the user is a member, or is none. */
  private readonly answered = new Map<string, { isMember: boolean; at: number }>();

  constructor(
    private readonly network: Network,
    private readonly observer: LogObserver,
    private readonly api: Connection,
    private readonly users: string[],
  ) {
    const stays = [{ joinedVersion: 1, joinedSeq: 0, leftVersion: undefined, leftSeq: undefined }];
    const [owner] = users as [string];
    this.members.set(owner, { userId: owner, role: "owner", mutedUntil: 0, isPresent: true, stays, version: 1 });
    this.owe(owner, encodeSystemContent({ type: "created", userIds: [] }));
  }

  /** Returns the rows that the owner of the conversation loads: their present state. */
  load(wanted: { groupId: string; version: number }[]): Map<string, LoadedGroup> {
    const [one] = wanted.filter(({ groupId }) => groupId === GROUP);
    if (one === undefined) return new Map();
    const about = {
      name: GROUP,
      notice: undefined,
      ownerId: this.users[0]!,
      joinPolicy: "open",
      muted: false,
    } as const;
    const group = {
      groupId: GROUP,
      ...about,
      memberCount: this.count,
      version: this.version,
      createdAt: 0,
      dissolved: false,
      fanOut: this.fanOut,
    };
    const changed = [...this.members.values()].filter(({ version }) => version > one.version);
    const members = changed.map((row) => ({ ...row, stays: row.stays.map((stay) => ({ ...stay })) }));
    return new Map([[GROUP, { group, members, changes: [...this.owed] }]]);
  }

  /** A user joins or leaves: the api commits the change, then repeats it to the owner until the owner has answered. */
  change(): void {
    const userId = this.network.random.pick(this.users.slice(1));
    const row = getOrSet(this.members, userId, (): Row => {
      return { userId, role: "member", mutedUntil: 0, isPresent: false, stays: [], version: 0 };
    });
    const before = this.fanOut;
    this.version++;
    row.version = this.version;
    row.isPresent = !row.isPresent;
    const { version } = this;
    if (row.isPresent) {
      if (row.stays.length > 0) this.network.coverage.count("members came back");
      row.stays.push({ joinedVersion: version, joinedSeq: 0, leftVersion: undefined, leftSeq: undefined });
    } else row.stays.at(-1)!.leftVersion = version;
    this.answered.delete(userId);
    const content = encodeSystemContent({ type: row.isPresent ? "joined" : "removed", userIds: [userId] });
    this.owe(this.users[0]!, content, this.fanOut === before ? before : `${this.fanOut}-from-here`);
    if (this.fanOut !== before) {
      this.network.coverage.count(this.fanOut === "read" ? "groups became large" : "groups became small");
    }
    this.network.coverage.count("members came or went");
    void this.tell(userId, version);
  }

  private get count(): number {
    return [...this.members.values()].filter(({ isPresent }) => isPresent).length;
  }

  private get fanOut(): "write" | "read" {
    return this.count > WRITE_FAN_OUT ? "read" : "write";
  }

  /** Members according to MySQL. */
  largeGroupsOf(userIds: string[]): [userId: string, groupIds: string[]][] {
    const present = userIds.filter((userId) => this.fanOut === "read" && this.members.get(userId)?.isPresent === true);
    return present.map((userId) => [userId, [GROUP]]);
  }

  /** Sends the changes of the outbox that the owner has not heard of, as the relay of an api does. */
  relay(): void {
    if (this.owed.length > 0) void this.askOwner().catch(() => {});
  }

  /** The archiver has these events: stays get their numbers, and the events leave the outbox. */
  archive(events: SeenEvent[]): void {
    for (const { event, version } of events) {
      if (version === undefined) continue;
      for (const { stays } of this.members.values()) {
        for (const stay of stays) {
          if (stay.joinedVersion === version) stay.joinedSeq = event.seq;
          if (stay.leftVersion === version) stay.leftSeq = event.seq;
        }
      }
      this.owed = this.owed.filter((change) => change.version !== version);
    }
  }

  /** Returns the users who must have an event of the group: those who joined before it and did not leave before it, by the log. */
  recipients({ position }: SeenEvent): string[] {
    for (; this.passed < this.observer.events.length; this.passed++) {
      const { event, position: at, version } = this.observer.events[this.passed]!;
      if (event.conversationId !== GROUP_CONVERSATION) continue;
      const { joined, left } =
        version === undefined
          ? { joined: [], left: [] }
          : membershipOf(event.senderId, parseSystemContent(event.content));
      for (const userId of joined) this.present.add(userId);
      this.recipientsAt.set(at, [...this.present]);
      this.namedAt.set(at, [...joined, ...left]);
      // The event by which a user leaves is the last one that they get.
      for (const userId of left) this.present.delete(userId);
    }
    return this.recipientsAt.get(position)!;
  }

  /** Returns the users whose inbox must have an event: in a large group, the users who join or leave by it. */
  inboxesOf(seen: SeenEvent): string[] {
    const recipients = this.recipients(seen);
    if (!seen.fanOut.startsWith("read")) return recipients;
    return this.namedAt.get(seen.position)!;
  }

  /** Returns the members in the end, by the log. */
  get finalMembers(): string[] {
    for (const seen of this.observer.events.slice(this.passed)) this.recipients(seen);
    return [...this.present];
  }

  /** Whether a refusal may say now that this user is no member, when the request came at that time. */
  mayRefuse(userId: string, askedAt: number): boolean {
    const known = this.answered.get(userId);
    return !(known?.isMember === true && known.at < askedAt);
  }

  /** I9: each writer was a member of the group, and no user wrote after the api answered that they are out. */
  check(): void {
    const present = new Set<string>();
    for (const { event, version } of this.observer.events) {
      if (event.conversationId !== GROUP_CONVERSATION) continue;
      if (version === undefined) {
        if (!present.has(event.senderId))
          this.violations.push(`I9: ${event.senderId} wrote #${event.seq} as a stranger`);
        continue;
      }
      const { joined, left } = membershipOf(event.senderId, parseSystemContent(event.content));
      for (const userId of joined) present.add(userId);
      for (const userId of left) present.delete(userId);
    }
  }

  private owe(actorId: string, content: string, fanOut: GroupFanOut = "write"): void {
    const clientMsgId = uuidv7(CLOCK + Math.floor(this.network.time.now));
    this.owed.push({ groupId: GROUP, version: this.version, actorId, clientMsgId, content, fanOut });
  }

  private async tell(userId: string, version: number): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      try {
        await this.askOwner();
      } catch {
        continue;
      }
      if (!this.observer.versions.has(version)) {
        this.violations.push(`I9: version ${version} was answered and is not in the log`);
      }
      const row = this.members.get(userId)!;
      if (row.version === version) this.answered.set(userId, { isMember: row.isPresent, at: this.network.time.now });
      return;
    }
  }

  private async askOwner(): Promise<void> {
    const partition = partitionOf(GROUP_CONVERSATION, this.network.partitions);
    await askOwner(this.api.bus, partition, { ask: "group-changed", groupId: GROUP });
  }
}
