/**
 * Publishes the presence of the users here to other gateways: the platforms of their devices, whenever those change. A new
 * device is published at once; a device that disconnects, 5 s later, so that a device that flaps causes no traffic.
 *
 * A publication is lost while the connection to NATS is dead and the gateway has not noticed it. The gateway then publishes
 * the presence of all its users again, and also of the users who have gone meanwhile.
 */
import { getOrSet, PacedJob, sleep, type TimerWheel, type WheelEntry } from "@carillon/base";
import {
  ask,
  type Bus,
  castPresence,
  listenToPresence,
  type PresenceFound,
  type PresenceNews,
  type PresenceRead,
  presenceRead,
} from "@carillon/bus";
import type { UserRegistry } from "../session/user-registry";
import { LINGER_MS, REPAIR_EVERY_MS } from "../timings";

/** Longer than it takes to notice that the connection to NATS is dead, ms. */
const REMEMBER_MS = 60_000;
/** Users who are published in one turn of the event loop. */
const PUBLISHED_AT_ONCE = 1_000;

export interface LocalPresenceOptions {
  wheel: Pick<TimerWheel, "set" | "cancel">;
  users: Pick<UserRegistry, "userIds" | "platforms">;
  network: Pick<PresenceNetwork, "publish">;
}

export class LocalPresence {
  /** Platforms whose last device has disconnected, and that are still published; by user. */
  private readonly lingering = new Map<string, Map<string, WheelEntry>>();
  /** Users who were lately published to be offline. */
  private readonly expired = new Map<string, WheelEntry>();
  private readonly again = new PacedJob(
    () => this.publishAll(),
    REPAIR_EVERY_MS,
    () => {},
  );

  constructor(private readonly options: LocalPresenceOptions) {}

  /** A session of the user is open. @param platform the platform of its device */
  added(userId: string, platform: string): void {
    const entry = this.lingering.get(userId)?.get(platform);
    if (entry !== undefined) this.options.wheel.cancel(entry);
    this.forget(userId, platform);
    this.forgetExpired(userId);
    // Also when the user was never published to be offline: a gateway that asked a worker meanwhile got another answer.
    this.publish(userId);
  }

  /** A session that was open is closed. */
  removed(userId: string, platform: string): void {
    const { wheel, users } = this.options;
    if (users.platforms(userId).has(platform)) return;
    const entry = getOrSet(
      getOrSet(this.lingering, userId, () => new Map<string, WheelEntry>()),
      platform,
      () => ({ due: -1, expire: () => this.expire(userId, platform) }),
    );
    wheel.set(entry, LINGER_MS);
  }

  /** Publications may be lost: the gateway publishes the presence of all its users again, at most every 2 s. */
  publishAgain(): void {
    this.again.request();
  }

  /** Publishes the presence of one user as it is now. */
  publish(userId: string): void {
    const leaving = this.lingering.get(userId)?.keys() ?? [];
    const { users, network } = this.options;
    network.publish(userId, [...new Set([...users.platforms(userId), ...leaving])]);
  }

  stop(): void {
    this.again.stop();
  }

  private async publishAll(): Promise<void> {
    const userIds = new Set([...this.options.users.userIds, ...this.lingering.keys(), ...this.expired.keys()]);
    let published = 0;
    for (const userId of userIds) {
      this.publish(userId);
      if (++published % PUBLISHED_AT_ONCE === 0) await sleep(0);
    }
  }

  private expire(userId: string, platform: string): void {
    this.forget(userId, platform);
    this.publish(userId);
    if (this.lingering.has(userId) || this.options.users.platforms(userId).size > 0) return;
    const entry = getOrSet(this.expired, userId, () => ({ due: -1, expire: () => this.forgetExpired(userId) }));
    this.options.wheel.set(entry, REMEMBER_MS);
  }

  private forgetExpired(userId: string): void {
    const entry = this.expired.get(userId);
    if (entry !== undefined) this.options.wheel.cancel(entry);
    this.expired.delete(userId);
  }

  private forget(userId: string, platform: string): void {
    const platforms = this.lingering.get(userId);
    platforms?.delete(platform);
    if (platforms?.size === 0) this.lingering.delete(userId);
  }
}

/** Presence over the bus: publishes to other gateways, listens to them, and asks workers. */
export class PresenceNetwork {
  /** @param node this gateway and its boot */
  constructor(
    private readonly bus: Bus,
    private readonly node: Pick<PresenceNews, "gateway" | "boot">,
  ) {}

  /** Tells all gateways that listen which platforms of a user this gateway has. */
  publish(userId: string, platforms: string[]): void {
    castPresence(this.bus, userId, { ...this.node, platforms, since: this.bus.clock.now() });
  }

  /** Listens to what gateways publish of a user. @returns a function that ends the listening */
  listen(userId: string, onNews: (news: PresenceNews) => void): () => void {
    return listenToPresence(this.bus, userId, onNews);
  }

  /** Resolves when everything that is published from now on arrives here. */
  settled(): Promise<void> {
    return this.bus.connection.flush();
  }

  /** Asks a worker where users are and who may see them. @throws CarillonError BUSY */
  find(question: PresenceRead): Promise<PresenceFound> {
    return ask(this.bus, presenceRead, question);
  }
}
