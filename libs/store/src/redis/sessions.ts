/** The session registry: it says at which gateway each device of a user is. Delivery relies on it alone. */
import { randomId } from "@carillon/base";
import type { InboxHead } from "./inboxes";
import { IDLE_SECONDS, keys } from "./keys";
import type { RedisStore } from "./redis-store";
import { formatSession, parseSession, type SessionEntry } from "./session-entry";

export interface DeviceSession extends SessionEntry {
  deviceId: string;
}

/** The result of `open`. */
export interface OpenedSession {
  head: InboxHead;
  /** Whether the inbox was created now; see DeliveredInbox. */
  isNew: boolean;
  /** First number that the inbox still has; head.seq + 1 when it has none. */
  firstSeq: number;
  /** The stored cursor of the device. */
  cursor: InboxHead | undefined;
  /** Connections that this connection replaces. */
  replaced: DeviceSession[];
}

/** Rules that decide which of a user's devices stay when another device connects. */
export interface DeviceRules {
  /** Whether other devices of the same platform are removed. */
  onePerPlatform: boolean;
  /** Above this number, the devices that have been connected for longest are removed. */
  most: number;
  /** Gateways in view: entries of other gateways belong to dead processes. Empty: unknown, and all entries stay. */
  gateways: readonly { nodeId: string; boot: string }[];
}

export const ALL_DEVICES: DeviceRules = { onePerPlatform: false, most: 10_000, gateways: [] };

/** Time for which a gateway may be missing in a worker's view when its first devices connect, ms. */
const UNSEEN_MS = 60_000;

export interface CursorUpdate extends InboxHead {
  userId: string;
  deviceId: string;
}

export class Sessions {
  constructor(private readonly redis: RedisStore) {}

  /**
   * Registers a device's connection and opens the user's inbox.
   * @returns undefined when a newer connection of the device is registered already
   */
  async open(
    userId: string,
    session: DeviceSession,
    { onePerPlatform, most, gateways }: DeviceRules = ALL_DEVICES,
  ): Promise<OpenedSession | undefined> {
    const answer = (await this.redis.script(
      "session-open",
      [keys.head(userId), keys.inbox(userId), keys.sessions(userId), keys.cursors(userId)],
      [
        session.deviceId,
        formatSession(session),
        session.since,
        randomId(12),
        onePerPlatform ? session.platform : "",
        IDLE_SECONDS,
        most,
        gateways.map(({ nodeId, boot }) => `${nodeId} ${boot}`).join("\n"),
        session.since - UNSEEN_MS,
      ],
    )) as [number, Buffer, number, number, Buffer, number, ...Buffer[]];
    if (answer[0] === 0) return undefined;
    const [, epoch, seq, firstSeq, cursor, isNew, ...pairs] = answer;
    const replaced: DeviceSession[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      replaced.push({ deviceId: pairs[i]!.toString(), ...parseSession(pairs[i + 1]!.toString()) });
    }
    const head = { epoch: epoch.toString(), seq };
    return { head, isNew: isNew === 1, firstSeq, cursor: parseCursor(cursor.toString()), replaced };
  }

  /** Removes the entry of a device if it still belongs to this connection. */
  async close(userId: string, session: Pick<DeviceSession, "deviceId" | "gateway" | "boot" | "connection">) {
    const place = `${session.gateway} ${session.boot} ${session.connection} `;
    await this.redis.script("session-close", [keys.sessions(userId)], [session.deviceId, place]);
  }

  /** Returns all registered devices of a user. */
  async of(userId: string): Promise<DeviceSession[]> {
    const entries = await this.redis.hashValues(keys.sessions(userId));
    return Object.entries(entries).map(([deviceId, value]) => ({ deviceId, ...parseSession(value) }));
  }

  /** Returns the registered devices of users, in the same order. */
  async ofMany(userIds: string[]): Promise<SessionEntry[][]> {
    const rows = await this.redis.hashValuesOfMany(userIds.map(keys.sessions));
    return rows.map((values) => values.map(parseSession));
  }

  /** Moves the cursors of devices forward. */
  async received(updates: CursorUpdate[], now: number): Promise<void> {
    if (updates.length === 0) return;
    await this.redis.script(
      "received",
      updates.map(({ userId }) => keys.cursors(userId)),
      updates.flatMap(({ deviceId, epoch, seq }) => [deviceId, epoch, seq, now]),
    );
  }
}

function parseCursor(value: string): InboxHead | undefined {
  if (value === "") return undefined;
  const [epoch, seq] = value.split(" ") as [string, string];
  return { epoch, seq: Number(seq) };
}
