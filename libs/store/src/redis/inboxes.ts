/**
 * Inboxes: per user a sorted set of the newest events, numbered without a gap inside an epoch. The head
 * remembers the log position of the last event of each partition, so that filling an inbox again from the log
 * changes nothing.
 */
import { randomId } from "@carillon/base";
import { conversationPrefix, eventPrefix, readValue } from "@carillon/protocol";
import { Encoder } from "@msgpack/msgpack";
import { IDLE_SECONDS, keys } from "./keys";
import type { RedisStore } from "./redis-store";
import { asBuffer } from "./redis-store";
import { gatewayOf } from "./session-entry";

/** Number of newest events that an inbox keeps. */
export const INBOX_KEEPS = 1_000;

const encoder = new Encoder({ initialBufferSize: 64 * 1024 });

/** Field of the head with the last log position that the inbox took, by lane; the number of the partition follows. */
const POSITION_FIELD = { private: "p", group: "g" };

const EPOCH_LENGTH = 12;
/** Inboxes erased by one script call: the script reads each of them completely, and Redis serves no other call meanwhile. */
const ERASE_AT_ONCE = 32;

export interface InboxDelivery {
  /** Log position; ascending inside a call. */
  position: number;
  event: Uint8Array;
  recipients: string[];
}

/** The result for one user's inbox. */
export interface DeliveredInbox {
  userId: string;
  inboxEpoch: string;
  /** Number of the last event in the inbox. */
  seq: number;
  /** Whether the inbox was created now (the user had none, or Redis was wiped): devices may have to register again. */
  isNew: boolean;
  /** Indexes of the deliveries that were added; the last of them has number `seq`. */
  added: number[];
  /** The sessions of the user's devices. */
  gateways: string[];
}

/** The place of an inbox or of a device in it; gateways and clients get it with these keys. */
export interface InboxHead {
  /** The inbox's epoch. */
  epoch: string;
  seq: number;
}

/** The events that an inbox has had since it began. */
export interface InboxReach {
  /** Time at which it began, ms since the Unix epoch by the clock of Redis; 0: an older build, which did not store it. */
  begunAt: number;
  /** Highest log position of each partition that was put into it. */
  positions: ReadonlyMap<number, number>;
}

export interface InboxHeadAndReach {
  head: InboxHead;
  /** Its history; read after the head. */
  reach: InboxReach;
}

export class Inboxes {
  constructor(private readonly redis: RedisStore) {}

  /**
   * Puts events of one lane of a partition into the inboxes of their recipients: one script call for all of them.
   * @param lane positions ascend within a lane, and an event always uses the same lane
   * @returns the life of Redis, and per user what was added and where their devices are
   * @throws RedisRefusal when the script fails for a permanent reason
   */
  async deliver(
    partition: number,
    lane: "private" | "group",
    deliveries: InboxDelivery[],
  ): Promise<{ redisLife: string; inboxes: DeliveredInbox[] }> {
    const indexes = new Map<string, number[]>();
    deliveries.forEach(({ recipients }, index) => {
      for (const userId of recipients) {
        const list = indexes.get(userId);
        if (list === undefined) indexes.set(userId, [index]);
        else list.push(index);
      }
    });
    const scriptKeys: string[] = [];
    const lists: number[] = [];
    for (const [userId, list] of indexes) {
      scriptKeys.push(keys.head(userId), keys.inbox(userId), keys.sessions(userId));
      lists.push(list.length);
      for (const index of list) lists.push(index + 1);
    }
    const places: number[] = [];
    let end = 0;
    for (const { position, event } of deliveries) {
      end += event.length;
      places.push(position, end);
    }
    const bytes = Buffer.concat(deliveries.map(({ event }) => event));
    const limits = [`${POSITION_FIELD[lane]}${partition}`, randomId(EPOCH_LENGTH), INBOX_KEEPS, IDLE_SECONDS];
    const args = [...limits, bytes, asBuffer(encoder.encode(places)), asBuffer(encoder.encode(lists))];
    const [redisLife, packed] = (await this.redis.script("deliver", scriptKeys, args)) as [Buffer, Buffer];
    const rows = readValue(packed) as DeliverRow[];
    let at = 0;
    const inboxes: DeliveredInbox[] = [];
    for (const [userId, list] of indexes) {
      const [inboxEpoch, seq, added, isNew, ...sessions] = rows[at++]!;
      inboxes.push({
        userId,
        inboxEpoch,
        seq,
        isNew: isNew === 1,
        added: added === 0 ? [] : list.slice(-added),
        gateways: [...new Set(sessions.map(gatewayOf))],
      });
    }
    return { redisLife: redisLife.toString(), inboxes };
  }

  /** Removes a user's inbox: the next call that needs it creates it again, and their devices resync. */
  async reset(userId: string): Promise<void> {
    await this.redis.delete(keys.head(userId), keys.inbox(userId));
  }

  /** Removes the content of an event from the inboxes of these users and from the recent events of its group. */
  async erase(userIds: string[], event: { conversationId: string; seq: number }): Promise<void> {
    const prefix = asBuffer(eventPrefix(event.conversationId, event.seq));
    for (let at = 0; at < userIds.length; at += ERASE_AT_ONCE) {
      const inboxes = userIds.slice(at, at + ERASE_AT_ONCE).map(keys.inbox);
      await this.redis.script("erase", inboxes, [prefix]);
    }
    await this.redis.script("erase", [keys.recent(event.conversationId)], [prefix]);
  }

  /** Removes the content of the messages of a conversation in one user's inbox, up to a number: the user has cleared them. */
  async clear(userId: string, conversationId: string, upTo: number): Promise<void> {
    const prefix = asBuffer(conversationPrefix(conversationId));
    await this.redis.script("clear", [keys.inbox(userId)], [prefix, upTo]);
  }

  /** Returns the events above `after`, in order, and the head. A first number other than after + 1 means that events are gone. */
  async read(userId: string, after: number, most: number): Promise<InboxHead & { events: [number, Uint8Array][] }> {
    const [epoch, seq, ...pairs] = (await this.redis.script(
      "read-inbox",
      [keys.head(userId), keys.inbox(userId)],
      [after, most, randomId(EPOCH_LENGTH)],
    )) as [Buffer, number, ...Buffer[]];
    const events: [number, Uint8Array][] = [];
    for (let i = 0; i < pairs.length; i += 2) events.push([Number(pairs[i + 1]!.toString()), pairs[i]!]);
    return { epoch: epoch.toString(), seq, events };
  }

  /** Returns the heads of these users' inboxes, and then their history. */
  async headsAndReach(userIds: string[]): Promise<Map<string, InboxHeadAndReach>> {
    const { heads } = await this.heads(userIds);
    const hashes = await this.redis.hashes(userIds.map(keys.head));
    return new Map(userIds.map((userId, i) => [userId, { head: heads[i]!, reach: reachOf(hashes[i]!) }]));
  }

  /** Returns the heads of many inboxes; creates missing inboxes. */
  async heads(userIds: string[]): Promise<{ redisLife: string; heads: InboxHead[] }> {
    const scriptKeys = userIds.flatMap((userId) => [keys.head(userId), keys.inbox(userId)]);
    const [redisLife, ...rest] = (await this.redis.script("heads", scriptKeys, [randomId(EPOCH_LENGTH)])) as [
      Buffer,
      ...(Buffer | number)[],
    ];
    const heads = userIds.map((_, i) => ({ epoch: String(rest[2 * i]), seq: Number(rest[2 * i + 1]) }));
    return { redisLife: redisLife.toString(), heads };
  }

  /** Returns the log position up to which the inboxes of a partition are filled; undefined when Redis does not know. */
  async fanoutPosition(partition: number): Promise<number | undefined> {
    const value = await this.redis.get(keys.fanout(partition));
    return value === null ? undefined : Number(value);
  }

  async setFanoutPosition(partition: number, position: number): Promise<void> {
    await this.redis.set(keys.fanout(partition), position);
  }
}

/** The history of a missing inbox: empty, from now on. */
function reachOf(head: Record<string, string>): InboxReach {
  const positions = new Map<number, number>();
  for (const [field, value] of Object.entries(head)) {
    const [, partition] = /^[pg](\d+)$/.exec(field) ?? [];
    if (partition === undefined) continue;
    positions.set(Number(partition), Math.max(Number(value), positions.get(Number(partition)) ?? -1));
  }
  const isMissing = head["epoch"] === undefined;
  return { begunAt: isMissing ? Number.POSITIVE_INFINITY : Number(head["begun"] ?? 0) * 1_000, positions };
}

type DeliverRow = [inboxEpoch: string, seq: number, added: number, isNew: number, ...sessions: string[]];
