/**
 * Marks of users in conversations: the numbers up to which they have read and received. Copies of conversation_members in MySQL.
 */
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export interface MarkUpdate {
  conversationId: string;
  userId: string;
  /** 0: unchanged. */
  read: number;
  /** 0: unchanged. */
  delivered: number;
}

export interface MovedMark extends MarkUpdate {
  readMoved: boolean;
  deliveredMoved: boolean;
}

export class Marks {
  constructor(private readonly redis: RedisStore) {}

  /** Moves marks forward, never back; read implies delivered. Returns the present marks in the same order. */
  async move(updates: MarkUpdate[]): Promise<MovedMark[]> {
    if (updates.length === 0) return [];
    const values = (await this.redis.script(
      "marks",
      updates.map(({ conversationId }) => keys.marks(conversationId)),
      updates.flatMap(({ userId, read, delivered }) => [userId, read, delivered]),
    )) as number[];
    return updates.map(({ conversationId, userId }, i) => ({
      conversationId,
      userId,
      read: values[4 * i]!,
      delivered: values[4 * i + 1]!,
      readMoved: values[4 * i + 2] === 1,
      deliveredMoved: values[4 * i + 3] === 1,
    }));
  }

  /** Returns the marks of several users in the same order; undefined where Redis knows none. */
  async of(
    wanted: { conversationId: string; userIds: string[] }[],
  ): Promise<({ read: number; delivered: number } | undefined)[][]> {
    const rows = await this.redis.hashFieldsOfMany(
      wanted.map(({ conversationId, userIds }) => ({ key: keys.marks(conversationId), fields: userIds })),
    );
    return rows.map((row) => row.map((value) => (value === null ? undefined : parseMark(value))));
  }
}

function parseMark(value: string): { read: number; delivered: number } {
  const [read, delivered] = value.split(" ").map(Number) as [number, number];
  return { read, delivered };
}
