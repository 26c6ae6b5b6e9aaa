/** A user whom devices here watch: where the user has devices, as far as gateways and workers have told it. */
import { type AtGateway, type PresenceNews, platformsOf, type UserAtGateways } from "@carillon/bus";
import type { Platform, UserPresence } from "@carillon/protocol";
import type { GatewayCluster } from "../session/placement";
import type { Session } from "../session/session";

type Cluster = Pick<GatewayCluster, "isThere">;

export class WatchedUser {
  /**
   * Sessions that watch this user: `true` when the session may see the user. Otherwise the time at which the session is told
   * that the user was last online (ms, 0: never). undefined: no worker has answered yet.
   */
  readonly watchers = new Map<Session, true | number | undefined>();
  /** The user's devices, by gateway and its boot. */
  private readonly at = new Map<string, AtGateway>();
  /** Gateways that published the user's presence since a worker was asked: theirs is newer than the answer. */
  private readonly fresh = new Set<string>();
  /** Gateways that are not in the view. Their devices are remembered: a gateway that lost its lease may come back. */
  private readonly away = new Set<string>();
  private lastSeenAt = 0;
  /** The platforms that watchers were told last; undefined: no watcher was told anything. */
  private lastShown: string | undefined;

  constructor(
    readonly userId: string,
    readonly stopListening: () => void,
  ) {}

  get presence(): UserPresence {
    const present = [...this.at].flatMap(([key, place]) => (this.away.has(key) ? [] : [place]));
    const platforms = platformsOf(present) as Platform[];
    return { userId: this.userId, online: platforms.length > 0, platforms, lastSeenAt: this.lastSeenAt };
  }

  /** The presence as a watcher is told it: a watcher who may not see the user is told that the user is offline. */
  shownTo(maySee: true | number): UserPresence {
    if (maySee === true) return this.presence;
    return { userId: this.userId, online: false, platforms: [], lastSeenAt: maySee };
  }

  /** When the user was last online for a watcher who saw them until now and may see them no longer, ms. */
  goneSince(now: number): number {
    return this.presence.online ? now : this.lastSeenAt;
  }

  /** A gateway has published which platforms of the user it has. */
  receive(news: PresenceNews): void {
    const key = `${news.gateway} ${news.boot}`;
    this.fresh.add(key);
    this.place(key, news);
    this.lastSeenAt = Math.max(this.lastSeenAt, news.since);
  }

  /** A worker is asked where the user is. */
  expectAnswer(): void {
    this.fresh.clear();
  }

  /** Takes the worker's answer: all registered devices, also at gateways that are not, or not yet, in the view. */
  learn({ at, lastSeenAt }: Omit<UserAtGateways, "userId">, cluster: Cluster): void {
    const found = new Map(at.map((place) => [`${place.gateway} ${place.boot}`, place]));
    for (const key of new Set([...this.at.keys(), ...found.keys()])) {
      if (this.fresh.has(key)) continue;
      const place = found.get(key);
      this.place(key, place);
      if (place !== undefined && !cluster.isThere(place.gateway, place.boot)) this.away.add(key);
    }
    this.lastSeenAt = Math.max(this.lastSeenAt, lastSeenAt);
  }

  /**
   * Compares the gateways with the view: devices at gateways that are not in it do not count.
   * @param now ms on the cluster's clock
   * @returns whether the user's presence may have changed
   */
  compare(cluster: Cluster, now: number): boolean {
    let hasChanged = false;
    for (const [key, { gateway, boot }] of this.at) {
      if (cluster.isThere(gateway, boot) !== this.away.has(key)) continue;
      hasChanged = true;
      if (this.away.delete(key)) continue;
      this.away.add(key);
      this.lastSeenAt = now;
    }
    return hasChanged;
  }

  /** Whether watchers have to be told; the present look then counts as the one that they were told last. */
  hasNews(): boolean {
    const look = this.presence.platforms.join(" ");
    if (look === this.lastShown) return false;
    this.lastShown = look;
    return true;
  }

  /** Whether no watcher was told anything of the user yet. */
  get isUnshown(): boolean {
    return this.lastShown === undefined;
  }

  private place(key: string, place: AtGateway | undefined): void {
    // A gateway that publishes is there.
    this.away.delete(key);
    if (place === undefined || place.platforms.length === 0) this.at.delete(key);
    else this.at.set(key, place);
  }
}
