/**
 * Fan-out: accepted events go into the inboxes of their recipients, then to the gateways where these are.
 *
 * Rounds of a partition go one after the other, since inboxes remember the last log position they took. The
 * position up to which inboxes are filled is kept in Redis and told in every log record. When Redis is away the
 * position stays behind, what waited in memory is dropped, and later the log is read again from the position on:
 * nothing piles up. The same reading again serves a new owner, who goes on where the old one stopped; inboxes skip
 * what they have.
 */
import { Backoff, getOrSet, settlesWithin, sleep } from "@carillon/base";
import { failPoint, type Logger } from "@carillon/base/node";
import {
  type Announcement,
  endOfRecord,
  type GroupNews,
  type LoggedEvent,
  type Push,
  positionOf,
  recordSeqOf,
} from "@carillon/bus";
import { decodeEvent, parseConversationId, peekEvent } from "@carillon/protocol";
import type { DeliveredInbox, InboxDelivery } from "@carillon/store";
import { type GroupStep, LargeGroupSteps, type SaidEvent } from "./large-groups";

/** Entries of inboxes that one script call makes; bounds the time in which Redis serves nobody else. */
const ROUND_DELIVERIES = 1_024;

/** Events that may wait in memory; beyond, the log is read again. */
const MOST_WAITING = 8_192;

export interface FanOutOptions {
  partition: number;
  logger: Logger;
  /** Fills inboxes (store). */
  deliver(partition: number, deliveries: InboxDelivery[]): Promise<{ run: string; inboxes: DeliveredInbox[] }>;
  /** Takes the content out of a recalled message in these users' inboxes (store). */
  erase(userIds: string[], message: { conversationId: string; seq: number }): Promise<void>;
  savePosition(partition: number, position: number): Promise<void>;
  /** Hands pushes to a gateway (downlink). */
  push(gateway: string, pushes: Push[]): void;
  /** Tells all gateways of inboxes that were made now: they may have devices that nobody is registered for. */
  announce(announcements: Announcement[]): void;
  /** A round failed halfway: inboxes may hold events that no gateway was told of. */
  onUncertain(): void;
  /** Members of a group when its event of that number was said. @throws while nobody knows them */
  membersAt(groupId: string, seq: number): Promise<string[]>;
  /** Keeps events of a large group for those who fetch them (store). */
  keepRecent(groupId: string, said: SaidEvent[]): Promise<void>;
  /** Tells the gateways of a large group's members what was said in it. */
  cast(groupId: string, said: SaidEvent[]): void;
  /** Tells all gateways who belongs to large groups now. */
  tellNews(news: GroupNews[]): void;
  /** Reads the log from a record on, up to what it held at the call. */
  readEvents(fromRecord: number, onRecord: (seq: number, events: LoggedEvent[]) => Promise<void>): Promise<void>;
}

interface Item {
  event: LoggedEvent;
  position: number;
}

interface Waiting {
  recordSeq: number;
  events: LoggedEvent[];
}

export class FanOut {
  private waiting: Waiting[] = [];
  private waitingEvents = 0;
  /** Set when memory no longer has everything above the position: the log is read again. */
  private behind = false;
  private loop: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  /** @param position log position up to which the inboxes are filled */
  constructor(
    private readonly options: FanOutOptions,
    private filled: number,
  ) {}

  /** Log position up to which the inboxes are filled. */
  get position(): number {
    return this.filled;
  }

  /** Reads the log again from the position on, before anything else is fanned out. */
  catchUp(): void {
    this.behind = true;
    this.wake();
  }

  /** Takes the events of an appended record. */
  add(recordSeq: number, events: LoggedEvent[]): void {
    if (!this.behind) {
      this.waiting.push({ recordSeq, events });
      this.waitingEvents += events.length;
      if (this.waitingEvents > MOST_WAITING) this.fallBehind();
    }
    this.wake();
  }

  /** Finishes the round in work and stops; the next owner goes on from the position. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  /** Waits until everything is fanned out, at most `ms`. */
  async drain(ms: number): Promise<void> {
    if (this.loop !== undefined) await settlesWithin(this.loop, ms);
  }

  private fallBehind(): void {
    this.behind = true;
    this.waiting = [];
    this.waitingEvents = 0;
  }

  private wake(): void {
    this.loop ??= this.run().finally(() => {
      this.loop = undefined;
    });
  }

  private async run(): Promise<void> {
    const backoff = new Backoff({ first: 50, most: 1_000 });
    while (!this.stopping.signal.aborted && (this.behind || this.waiting.length > 0)) {
      try {
        if (this.behind) await this.readAgain();
        else await this.runWaiting();
        backoff.reset();
      } catch (err) {
        const { partition, logger, onUncertain } = this.options;
        logger.warn({ partition, err }, "inboxes cannot be filled, the log is read again later");
        onUncertain();
        this.fallBehind();
        await sleep(backoff.next(), this.stopping.signal);
      }
    }
  }

  private async runWaiting(): Promise<void> {
    const records = this.waiting;
    this.waiting = [];
    this.waitingEvents = 0;
    await this.deliver(
      records.flatMap(({ recordSeq, events }) =>
        events.map((event, index) => ({ event, position: positionOf(recordSeq, index) })),
      ),
    );
    this.moveTo(endOfRecord(records.at(-1)!.recordSeq));
  }

  private async readAgain(): Promise<void> {
    // What is appended from now on waits in memory again, unless it gets too much.
    this.behind = false;
    await this.options.readEvents(recordSeqOf(this.filled), async (recordSeq, events) => {
      if (this.stopping.signal.aborted) return;
      await this.deliver(events.map((event, index) => ({ event, position: positionOf(recordSeq, index) })));
      this.moveTo(endOfRecord(recordSeq));
    });
  }

  private async deliver(items: Item[]): Promise<void> {
    let round = new Round();
    for (const { event, position } of items) {
      const { conversationId, seq, kind } = peekEvent(event.event);
      const parts = parseConversationId(conversationId);
      if (round.isFull) {
        await this.finish(round);
        round = new Round();
      }
      if (parts?.kind !== "group") round.add(position, event.event, usersOf(parts), kind);
      else {
        const { groupId } = parts;
        const members = () => this.options.membersAt(groupId, seq);
        const recipients = await round.groups.add(groupId, seq, event, members);
        round.add(position, event.event, recipients, kind, kind === "recall" ? await members() : recipients);
      }
    }
    await this.finish(round);
  }

  private async finish({ deliveries, recalls, groups }: Round): Promise<void> {
    const { partition, deliver, push, announce, keepRecent } = this.options;
    failPoint("fan-out.before");
    // Of a large group most events are in nobody's inbox.
    const { inboxes } = deliveries.length > 0 ? await deliver(partition, deliveries) : { inboxes: [] };
    for (const step of groups.list) if ("said" in step) await keepRecent(step.groupId, step.said);
    for (const { event, holders } of recalls) await this.eraseTarget(event, holders);
    for (const [gateway, pushes] of pushesByGateway(deliveries, inboxes)) push(gateway, pushes);
    const made = inboxes.filter(({ isNew }) => isNew);
    if (made.length > 0) announce(made.map(({ userId, epoch }) => ({ userId, epoch })));
    this.tellGroups(groups.list);
    failPoint("fan-out.after");
  }

  private tellGroups(steps: readonly GroupStep[]): void {
    for (const step of steps) {
      if ("said" in step) this.options.cast(step.groupId, step.said);
      else this.options.tellNews([step.news]);
    }
  }

  private async eraseTarget(recall: Uint8Array, holders: string[]): Promise<void> {
    const { conversationId, targetSeq } = decodeEvent(recall);
    if (targetSeq !== undefined) await this.options.erase(holders, { conversationId, seq: targetSeq });
  }

  private moveTo(position: number): void {
    if (position <= this.filled) return;
    this.filled = position;
    this.options.savePosition(this.options.partition, position).catch(() => {
      // Redis forgot it or is away: a redo from an older position changes nothing.
    });
  }
}

/** What is delivered together. */
class Round {
  readonly deliveries: InboxDelivery[] = [];
  /** Those that take a message back, with everybody whose inbox may have it. */
  readonly recalls: { event: Uint8Array; holders: string[] }[] = [];
  readonly groups = new LargeGroupSteps();
  private size = 0;

  get isFull(): boolean {
    return this.size >= ROUND_DELIVERIES;
  }

  add(position: number, event: Uint8Array, recipients: string[], kind: string, holders = recipients): void {
    if (recipients.length > 0) this.deliveries.push({ position, event, recipients });
    if (kind === "recall") this.recalls.push({ event, holders });
    this.size += recipients.length + 1;
  }
}

/** The two users of a private conversation. */
function usersOf(parts: { userIds: readonly [string, string] } | undefined): string[] {
  if (parts === undefined) return [];
  const [a, b] = parts.userIds;
  return a === b ? [a] : [a, b];
}

/** Each event once per gateway, with its targets there. */
export function pushesByGateway(deliveries: InboxDelivery[], inboxes: DeliveredInbox[]): Map<string, Push[]> {
  const byGateway = new Map<string, Map<number, Push>>();
  for (const { userId, epoch, seq, added, gateways } of inboxes) {
    for (const gateway of gateways) {
      const pushes = getOrSet(byGateway, gateway, () => new Map<number, Push>());
      added.forEach((index, i) => {
        const target = { userId, epoch, inboxSeq: seq - added.length + 1 + i };
        const push = pushes.get(index);
        if (push === undefined) pushes.set(index, { event: deliveries[index]!.event, targets: [target] });
        else push.targets.push(target);
      });
    }
  }
  return new Map([...byGateway].map(([gateway, pushes]) => [gateway, [...pushes.values()]]));
}
