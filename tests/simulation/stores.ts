/** Simulated Redis and MySQL, with the rules of the real ones (libs/store/lua, libs/store/src/mysql). */
import { type Event, type EventHead, peekEvent } from "@carillon/protocol";
import type { InboxDelivery } from "@carillon/store";

interface InboxEvent {
  partition: number;
  position: number;
  event: EventHead;
}

interface SimInbox {
  epoch: number;
  /** Last log position that was applied, by partition and lane. */
  passed: Map<string, number>;
  events: InboxEvent[];
}

/** Inboxes by user: the same idempotence by log position as the deliver script. */
export class SimRedis {
  /** Life of the store, and time of the last wipe. */
  life = 0;
  wipedAt = 0;
  isAway = false;
  /** Positions by partition. */
  readonly fanout = new Map<number, number>();
  readonly inboxes = new Map<string, SimInbox>();
  private epochs = 0;

  constructor(private readonly now: () => number) {}

  wipe(): void {
    this.life++;
    this.wipedAt = this.now();
    this.inboxes.clear();
    this.fanout.clear();
  }

  deliver(partition: number, lane: "private" | "group", deliveries: InboxDelivery[]) {
    const field = `${lane} ${partition}`;
    const rows = new Map<
      string,
      { userId: string; inboxEpoch: string; seq: number; added: number[]; isNew: boolean }
    >();
    deliveries.forEach(({ position, event: bytes, recipients }, index) => {
      const event = peekEvent(bytes);
      for (const userId of recipients) {
        let inbox = this.inboxes.get(userId);
        const isNew = inbox === undefined;
        inbox ??= { epoch: ++this.epochs, passed: new Map(), events: [] };
        this.inboxes.set(userId, inbox);
        const row = rows.get(userId) ?? { userId, inboxEpoch: `${inbox.epoch}`, seq: 0, added: [], isNew };
        rows.set(userId, row);
        if (position <= (inbox.passed.get(field) ?? -1)) continue;
        inbox.passed.set(field, position);
        inbox.events.push({ partition, position, event });
        row.seq = inbox.events.length;
        row.added.push(index);
      }
    });
    return { redisLife: `${this.life}`, inboxes: [...rows.values()].map((row) => ({ ...row, gateways: [] })) };
  }
}

/** The archive and the facts about users. */
export class SimMysql {
  isAway = false;
  /** Log positions up to which everything is archived, by partition. */
  readonly positions = new Map<number, number>();
  readonly messages: Event[] = [];
  private readonly byId = new Map<string, Event>();
  private readonly last = new Map<string, number>();
  readonly mutedUntil = new Map<string, number>();

  archive(partition: number, events: Event[], position: number): void {
    for (const event of events) {
      this.messages.push(event);
      this.byId.set(keyOf(event), event);
      this.last.set(event.conversationId, event.seq);
    }
    this.positions.set(partition, position);
  }

  users(ids: string[]) {
    return new Map(ids.map((id) => [id, { status: "normal" as const, mutedUntil: this.mutedUntil.get(id) ?? 0 }]));
  }

  lastSeqs(ids: string[]): Map<string, number> {
    return new Map(ids.map((id) => [id, this.last.get(id) ?? 0]));
  }

  messagesById(keys: { senderId: string; conversationId: string; clientMsgId: string }[]) {
    return keys.flatMap((key) => {
      const event = this.byId.get(keyOf(key));
      return event === undefined ? [] : [{ ...event, content: event.content ?? "" }];
    });
  }
}

function keyOf(key: { senderId: string; conversationId: string; clientMsgId: string }): string {
  return `${key.clientMsgId} ${key.senderId} ${key.conversationId}`;
}
