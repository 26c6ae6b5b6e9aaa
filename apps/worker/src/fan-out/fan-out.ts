/**
 * Fan-out: accepted events go into the inboxes of their recipients, then to the gateways where these are.
 *
 * There are two lanes (lane.ts), each with its own progress: events of groups may have to wait until MySQL says who the
 * members are, and private messages never wait for that. The position that is kept in Redis, and told in every log record,
 * is that of the lane that is behind the other.
 *
 * A sender is told SENT when the log has the message. So that SENT does not outrun delivery, the owner takes no new round
 * while a lane is more than half a second behind although its stores answer; while they do not, sending goes on.
 */
import { failPoint } from "@carillon/base/node";
import { type Bus, type LoggedEvent, positionOf } from "@carillon/bus";
import {
  decodeEvent,
  type EventHead,
  groupConversationId,
  groupIdOf,
  parseConversationId,
  peekEvent,
} from "@carillon/protocol";
import { type DeliveredInbox, type InboxDelivery, RedisRefusal } from "@carillon/store";
import type { GroupCache } from "../lookups/group-cache";
import type { WorkerPorts } from "../ports";
import { FanOutLane, type Item } from "./lane";
import type { GroupStep, SaidEvent } from "./large-groups";
import { pushesByGateway, ROUND_DELIVERIES, Round } from "./round";

/** How far delivery may be behind the log before the owner lets it catch up, ms. */
const MOST_LAG_MS = 500;
const LOOK_AGAIN_MS = 100;

/** Private messages have the name that one lane for all had before there were two. */
export type Lane = "private" | "group";

/** Events that one user's inbox does not take. */
export interface RefusedDelivery {
  userId: string;
  events: { position: number; event: Uint8Array }[];
  reason: string;
}

/** The log of the partition, from which a lane that has fallen behind is read again. */
export interface LogOfPartition {
  /** Reads the events from a record on, up to what the log held at the call. */
  readEvents(
    lane: Lane,
    fromRecord: number,
    onRecord: (seq: number, events: LoggedEvent[]) => Promise<void>,
  ): Promise<void>;
}

export interface FanOutOptions extends Pick<WorkerPorts, "inboxes" | "recent" | "downlink" | "casts">, LogOfPartition {
  bus: Pick<Bus, "logger" | "clock">;
  partition: number;
  groups: Pick<GroupCache, "get" | "load">;
  /** Puts aside what an inbox refuses; the user's devices fetch everything anew. */
  setAside(refused: RefusedDelivery): Promise<void>;
}

export class FanOut {
  private readonly lanes: Record<Lane, FanOutLane>;
  private saved: number;
  private isStopped = false;

  /** @param position log position up to which the inboxes are filled */
  constructor(
    private readonly options: FanOutOptions,
    position: number,
  ) {
    this.saved = position;
    this.lanes = { private: this.newLane("private", position), group: this.newLane("group", position) };
  }

  /** Log position up to which the inboxes are filled. */
  get position(): number {
    return Math.min(this.lanes.private.position, this.lanes.group.position);
  }

  /** How long the oldest event that is not delivered has waited, ms. */
  get lagMs(): number {
    return Math.max(this.lanes.private.lagMs, this.lanes.group.lagMs);
  }

  /** Whether deliveries fail, or wait for a store that does not answer. */
  get isStalled(): boolean {
    return this.all.some(({ isStalled }) => isStalled);
  }

  /** Reads the log again from the position on, before anything else is fanned out. */
  catchUp(): void {
    for (const lane of this.all) lane.catchUp();
  }

  /** Takes the events of an appended record. */
  add(recordSeq: number, events: LoggedEvent[]): void {
    const items = this.itemsOf(recordSeq, events);
    for (const [name, lane] of this.entries) lane.add(recordSeq, items[name]);
  }

  /** Waits while deliveries are too far behind to take more, unless a store does not answer. */
  async room(): Promise<void> {
    const late = () => this.all.find((lane) => !lane.isStalled && !lane.keepsUp(MOST_LAG_MS));
    for (let lane = late(); lane !== undefined && !this.isStopped; lane = late())
      await lane.nextProgress(LOOK_AGAIN_MS);
  }

  /** Finishes the rounds in work and stops; the next owner goes on from the position. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.all.map((lane) => lane.stop()));
  }

  /** Waits until everything is fanned out, at most `ms`. */
  async drain(ms: number): Promise<void> {
    await Promise.all(this.all.map((lane) => lane.drain(ms)));
  }

  private get all(): FanOutLane[] {
    return [this.lanes.private, this.lanes.group];
  }

  private get entries(): [Lane, FanOutLane][] {
    return Object.entries(this.lanes) as [Lane, FanOutLane][];
  }

  private newLane(name: Lane, position: number): FanOutLane {
    const { partition, bus } = this.options;
    return new FanOutLane(
      {
        ...{ partition, logger: bus.logger, monotonic: () => bus.clock.monotonic() },
        onUncertain: () => this.options.downlink.renewLinks(),
        deliver: (items, onRound) => this.deliverItems(name, items, onRound),
        onMoved: () => this.savePosition(),
        readEvents: (fromRecord, onRecords) => this.readItems(name, fromRecord, onRecords),
      },
      position,
    );
  }

  private itemsOf(recordSeq: number, events: LoggedEvent[]): Record<Lane, Item[]> {
    const items: Record<Lane, Item[]> = { private: [], group: [] };
    events.forEach((event, index) => {
      const head = peekEvent(event.event);
      items[laneOf(head)].push({ event, head, position: positionOf(recordSeq, index) });
    });
    return items;
  }

  /** As many records together as fill a round: one by one they would cost more than when they were new. */
  private async readItems(
    lane: Lane,
    fromRecord: number,
    onRecords: (lastRecord: number, items: Item[]) => Promise<void>,
  ): Promise<void> {
    let items: Item[] = [];
    let last: number | undefined;
    const flush = async () => {
      if (last !== undefined) await onRecords(last, items);
      items = [];
      last = undefined;
    };
    await this.options.readEvents(lane, fromRecord, async (recordSeq, events) => {
      items.push(...this.itemsOf(recordSeq, events)[lane]);
      last = recordSeq;
      if (items.length >= ROUND_DELIVERIES) await flush();
    });
    await flush();
  }

  private async deliverItems(lane: Lane, items: Item[], onRound: (events: number) => void): Promise<void> {
    let round = new Round();
    let events = 0;
    const finish = async () => {
      await this.finish(lane, round);
      onRound(events);
    };
    for (const item of items) {
      if (round.isFull) {
        await finish();
        round = new Round();
        events = 0;
      }
      const { event, head, position } = item;
      if (lane === "group") await this.addOfGroup(round, item);
      else round.add(position, event.event, usersOf(head.conversationId), head.kind);
      events++;
    }
    await finish();
  }

  private async addOfGroup(round: Round, { event, head, position }: Item): Promise<void> {
    const groupId = groupIdOf(head.conversationId)!;
    const members = () => this.membersAt(groupId, head.seq);
    const recipients = await round.groups.add(groupId, head.seq, event, members);
    const holders = head.kind === "recall" ? await members() : recipients;
    round.add(position, event.event, recipients, head.kind, holders);
  }

  /** Members of a group when its event of that number was said. @throws while nobody knows them */
  private async membersAt(groupId: string, seq: number): Promise<string[]> {
    const { groups } = this.options;
    const group = groups.get(groupId) ?? (await groups.load([groupId])).get(groupId);
    return group?.recipients(seq) ?? [];
  }

  private async finish(lane: Lane, { deliveries, recalls, groups }: Round): Promise<void> {
    failPoint("fan-out.before");
    // Most events of a large group go into no inbox.
    if (deliveries.length > 0) await this.deliver(lane, deliveries);
    for (const step of groups.list) if ("said" in step) await this.keepRecent(step.groupId, step.said);
    for (const { event, holders } of recalls) await this.eraseTarget(event, holders);
    this.notifyGroups(groups.list);
    failPoint("fan-out.after");
  }

  private async deliver(lane: Lane, deliveries: InboxDelivery[]): Promise<void> {
    const refusal = await this.tryToDeliver(lane, deliveries);
    if (refusal === undefined) return;
    await this.deliverAround(lane, deliveries, refusal);
    // The script may have filled inboxes before it failed, of which nobody was told. Once: every gateway compares all of its
    // inboxes for it.
    this.options.downlink.renewLinks();
  }

  /** @returns why the store refuses it */
  private async tryToDeliver(lane: Lane, deliveries: InboxDelivery[]): Promise<Error | undefined> {
    const { downlink, partition } = this.options;
    let filled: DeliveredInbox[];
    try {
      ({ inboxes: filled } = await this.options.inboxes.deliver(partition, lane, deliveries));
    } catch (error) {
      // The store will not take these deliveries however often it is asked.
      if (error instanceof RedisRefusal) return error;
      throw error;
    }
    for (const [gateway, pushes] of pushesByGateway(deliveries, filled)) downlink.pushes(gateway, pushes);
    const made = filled.filter(({ isNew }) => isNew);
    if (made.length > 0) downlink.announce(made.map(({ userId, inboxEpoch }) => ({ userId, inboxEpoch })));
    return undefined;
  }

  /** Tries refused deliveries in halves, until the users are found whose inboxes do not take them. */
  private async deliverAround(lane: Lane, deliveries: InboxDelivery[], refusal: Error): Promise<void> {
    const users = [...new Set(deliveries.flatMap(({ recipients }) => recipients))];
    if (users.length === 1) {
      const events = deliveries.map(({ position, event }) => ({ position, event }));
      return this.options.setAside({ userId: users[0]!, events, reason: refusal.message });
    }
    const middle = users.length >> 1;
    for (const half of [users.slice(0, middle), users.slice(middle)]) {
      const wanted = new Set(half);
      const part = deliveries
        .map((each) => ({ ...each, recipients: each.recipients.filter((id) => wanted.has(id)) }))
        .filter(({ recipients }) => recipients.length > 0);
      const why = await this.tryToDeliver(lane, part);
      if (why !== undefined) await this.deliverAround(lane, part, why);
    }
  }

  private notifyGroups(steps: readonly GroupStep[]): void {
    for (const step of steps) {
      if ("said" in step) this.options.casts.cast(step.groupId, step.said);
      else this.options.downlink.groups([step.news]);
    }
  }

  private keepRecent(groupId: string, said: SaidEvent[]): Promise<void> {
    return this.options.recent.add(groupConversationId(groupId), said);
  }

  private async eraseTarget(recall: Uint8Array, holders: string[]): Promise<void> {
    const { conversationId, targetSeq } = decodeEvent(recall);
    if (targetSeq !== undefined) await this.options.inboxes.erase(holders, { conversationId, seq: targetSeq });
  }

  private savePosition(): void {
    const { position } = this;
    if (position <= this.saved) return;
    this.saved = position;
    this.options.inboxes.setFanoutPosition(this.options.partition, position).catch(() => {
      // Redis forgot it or is away: a redo from an older position changes nothing.
    });
  }
}

function laneOf({ conversationId }: EventHead): Lane {
  return groupIdOf(conversationId) === undefined ? "private" : "group";
}

/** The two users of a private conversation. */
function usersOf(conversationId: string): string[] {
  const parts = parseConversationId(conversationId);
  if (parts?.kind !== "private") return [];
  const [a, b] = parts.userIds;
  return a === b ? [a] : [a, b];
}
