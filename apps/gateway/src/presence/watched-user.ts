/** A user whose presence somebody here wants to know: where he has devices, as far as it was told. */
import { type AtGateway, type PresenceNews, platformsOf, type UserAtGateways } from "@carillon/bus";
import type { Platform, UserPresence } from "@carillon/protocol";
import type { GatewayCluster } from "../session/placement";
import type { Session } from "../session/session";

type Cluster = Pick<GatewayCluster, "isThere">;

export class WatchedUser {
  /**
   * Sessions that watch: `true` for one that may see them, else when they were seen last, as it is told to that one (ms, 0:
   * never); undefined: no worker has said it yet.
   */
  readonly watchers = new Map<Session, true | number | undefined>();
  /** By gateway and its boot. */
  private readonly at = new Map<string, AtGateway>();
  /** Gateways that told something of him since he was asked for; they know better than the answer. */
  private readonly fresh = new Set<string>();
  /** Gateways that are out of the view. What they had is not forgotten: one that was without its lease comes back. */
  private readonly away = new Set<string>();
  private lastSeenAt = 0;
  /** How he looked when those who watch were told last; undefined: nobody was. */
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

  /** How they look to one who may not see them: as one who was not there since, or never. */
  shownTo(maySee: true | number): UserPresence {
    if (maySee === true) return this.presence;
    return { userId: this.userId, online: false, platforms: [], lastSeenAt: maySee };
  }

  /** What one who saw them until now is told at first, when that may have ended: as if they had gone this moment. */
  goneSince(now: number): number {
    return this.presence.online ? now : this.lastSeenAt;
  }

  /** A gateway tells what it has of him. */
  receive(news: PresenceNews): void {
    const key = `${news.gateway} ${news.boot}`;
    this.fresh.add(key);
    this.place(key, news);
    this.lastSeenAt = Math.max(this.lastSeenAt, news.since);
  }

  /** He is asked for. */
  expectAnswer(): void {
    this.fresh.clear();
  }

  /** The answer: all that is registered, also at gateways that are not in the view (any more, or yet). */
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
   * Looks which gateways are there; devices at others do not count.
   * @param now ms
   * @returns whether that is otherwise than it was
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

  /** Whether he looks different from what those who watch were told last; from now on they are told this. */
  hasNews(): boolean {
    const look = this.presence.platforms.join(" ");
    if (look === this.lastShown) return false;
    this.lastShown = look;
    return true;
  }

  /** Whether nobody was told anything of him. */
  get isUnshown(): boolean {
    return this.lastShown === undefined;
  }

  private place(key: string, place: AtGateway | undefined): void {
    // Who speaks is there.
    this.away.delete(key);
    if (place === undefined || place.platforms.length === 0) this.at.delete(key);
    else this.at.set(key, place);
  }
}
