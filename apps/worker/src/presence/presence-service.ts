/**
 * Answers gateways where users have devices, for watchers who may know it. The answer also contains the entries of gateways
 * that have died: the asking gateway compares it with its own view, again and again, and a worker's view may be older.
 */

import { Admission, getOrSet } from "@carillon/base";
import { type AtGateway, type Bus, type PresenceFound, type PresenceRead, presenceRead, serve } from "@carillon/bus";
import { orBusy } from "@carillon/protocol";
import type { SessionEntry } from "@carillon/store";

export interface PresenceServiceOptions {
  bus: Bus;
  /** Which of these users each watcher may see. */
  visible(wanted: PresenceRead["wanted"]): Promise<string[][]>;
  /** When users were seen last, as those are told whom they block. Key: `${user} ${watcher}`; others are missing. */
  frozen(pairs: [userId: string, watcherId: string][]): Promise<ReadonlyMap<string, number>>;
  /** The registered devices of users, in the same order. */
  sessionsOf(userIds: string[]): Promise<SessionEntry[][]>;
  /** When they were seen last, ms; one who never was is missing. */
  lastSeen(userIds: string[]): Promise<ReadonlyMap<string, number>>;
}

/** Questions at once, each about the watched users of many connections. */
const QUESTIONS = { atOnce: 8, waiting: 64, patienceMs: 2_500 };

export class PresenceService {
  private stopServing: () => void = () => {};

  constructor(private readonly options: PresenceServiceOptions) {}

  start(): void {
    const { clock } = this.options.bus;
    this.stopServing = serve(this.options.bus, presenceRead, (question) => orBusy(this.find(question)), {
      queue: "workers",
      admission: new Admission({ ...QUESTIONS, monotonic: () => clock.monotonic() }),
    });
  }

  stop(): void {
    this.stopServing();
  }

  private async find({ wanted }: PresenceRead): Promise<PresenceFound> {
    const { visible: mayBeSeen, frozen: frozenOf, sessionsOf, lastSeen } = this.options;
    const visible = await mayBeSeen(wanted);
    const userIds = [...new Set(visible.flat())];
    const hidden = wanted.map(([, asked], i) => asked.filter((userId) => !visible[i]!.includes(userId)));
    const pairs = wanted.flatMap(([watcherId], i) => hidden[i]!.map((userId): [string, string] => [userId, watcherId]));
    const [sessions, seen, held] = await Promise.all([sessionsOf(userIds), lastSeen(userIds), frozenOf(pairs)]);
    const frozen = wanted.map(([watcherId], i) =>
      hidden[i]!.flatMap((userId): [string, number][] => {
        const at = held.get(`${userId} ${watcherId}`);
        return at === undefined ? [] : [[userId, at]];
      }),
    );
    const users = userIds.map((userId, i) => ({
      userId,
      at: gatewaysOf(sessions[i]!),
      lastSeenAt: seen.get(userId) ?? 0,
    }));
    return { visible, frozen, users };
  }
}

function gatewaysOf(sessions: SessionEntry[]): AtGateway[] {
  const found = new Map<string, AtGateway>();
  for (const { gateway, boot, platform } of sessions) {
    const place = getOrSet(found, `${gateway} ${boot}`, (): AtGateway => ({ gateway, boot, platforms: [] }));
    if (!place.platforms.includes(platform)) place.platforms.push(platform);
  }
  return [...found.values()];
}
