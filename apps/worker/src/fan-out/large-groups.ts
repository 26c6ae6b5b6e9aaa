/**
 * The part of a fan-out round that concerns large groups. Their events do not go through inboxes: the gateways that have
 * members of the group receive the events in the order of the conversation. An inbox gets only what a member must not miss
 * while they are offline: that they belong to the group now, or no longer do.
 *
 * All gateways hear of new members of a large group: the gateway of a new member may have no other member of the group, and
 * so does not listen. When a group becomes large, all its members are new in this sense.
 */
import { type Bus, castToGroup, type GroupNews, type LoggedEvent } from "@carillon/bus";
import { decodeEvent, membershipOf, parseSystemContent } from "@carillon/protocol";

/** Ticks repeat the last number of a group for so long. */
const LATELY_MS = 10_000;

export interface SaidEvent {
  seq: number;
  event: Uint8Array;
}

/** A step of the round: what was said in one group, or who belongs to it now. */
export type GroupStep = { groupId: string; said: SaidEvent[] } | { news: GroupNews };

export class LargeGroupSteps {
  private readonly steps: GroupStep[] = [];
  /** Where the next event of a group may be added without overtaking news of it. */
  private readonly open = new Map<string, SaidEvent[]>();

  get list(): readonly GroupStep[] {
    return this.steps;
  }

  /**
   * @param recipients all who get events of this number; asked for only when they are needed
   * @returns whose inbox the event goes into
   */
  async add(
    groupId: string,
    seq: number,
    { fanOut = "write", event, version }: LoggedEvent,
    recipients: () => Promise<string[]>,
  ): Promise<string[]> {
    if (fanOut === "write") return recipients();
    if (fanOut === "write-from-here") {
      this.notify({ groupId, seq });
      return recipients();
    }
    const { joined, left } = version === undefined ? NOBODY : membershipIn(event);
    if (fanOut === "read-from-here") this.notify({ groupId, seq, members: await recipients() });
    else if (joined.length > 0) this.notify({ groupId, seq, members: joined });
    this.say(groupId, { seq, event });
    return [...joined, ...left];
  }

  private notify(news: GroupNews): void {
    this.open.delete(news.groupId);
    this.steps.push({ news });
  }

  private say(groupId: string, event: SaidEvent): void {
    const said = this.open.get(groupId);
    if (said !== undefined) return void said.push(event);
    const step = { groupId, said: [event] };
    this.open.set(groupId, step.said);
    this.steps.push(step);
  }
}

const NOBODY = { joined: [] as string[], left: [] as string[] };

function membershipIn(bytes: Uint8Array): { joined: string[]; left: string[] } {
  const { senderId, content } = decodeEvent(bytes);
  return membershipOf(senderId, parseSystemContent(content));
}

/** Tells gateways what was said in large groups, and remembers it for the ticks. */
export class GroupCasts {
  private readonly lately = new Map<string, { lastSeq: number; at: number }>();

  constructor(private readonly bus: Bus) {}

  cast(groupId: string, said: SaidEvent[]): void {
    castToGroup(
      this.bus,
      groupId,
      said.map(({ event }) => event),
    );
    const lastSeq = Math.max(this.lately.get(groupId)?.lastSeq ?? 0, said.at(-1)!.seq);
    this.lately.set(groupId, { lastSeq, at: this.bus.clock.monotonic() });
  }

  /** Groups in which something was said lately, with their last numbers. */
  recent(): [groupId: string, lastSeq: number][] {
    const since = this.bus.clock.monotonic() - LATELY_MS;
    for (const [groupId, { at }] of this.lately) if (at < since) this.lately.delete(groupId);
    return [...this.lately].map(([groupId, { lastSeq }]) => [groupId, lastSeq]);
  }
}
