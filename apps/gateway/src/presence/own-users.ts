/**
 * What this gateway tells others of the users that are here: the platforms of their devices, whenever those change. Who
 * comes is told at once; who goes, 5 s later, so that a device that flaps makes no noise.
 */
import { getOrSet, type TimerWheel, type WheelEntry } from "@carillon/base";

const LINGER_MS = 5_000;

export interface OwnUsersOptions {
  wheel: Pick<TimerWheel, "set" | "cancel">;
  /** Users with an open session here. */
  userIds(): Iterable<string>;
  /** Platforms of a user's open sessions here. */
  platforms(userId: string): Set<string>;
  /** Tells who listens. */
  tell(userId: string, platforms: string[]): void;
}

export class OwnUsers {
  /** Platforms that a user has left, and that are still told of him; by user. */
  private readonly leaving = new Map<string, Map<string, WheelEntry>>();

  constructor(private readonly options: OwnUsersOptions) {}

  /** A session of the user is open. @param platform of its device */
  came(userId: string, platform: string): void {
    const entry = this.leaving.get(userId)?.get(platform);
    if (entry !== undefined) this.options.wheel.cancel(entry);
    this.forget(userId, platform);
    // Also when he was never told to be gone: who asked while nobody was here has another answer.
    this.tell(userId);
  }

  /** A session that was open is gone. */
  went(userId: string, platform: string): void {
    const { wheel, platforms } = this.options;
    if (platforms(userId).has(platform)) return;
    const entry = getOrSet(
      getOrSet(this.leaving, userId, () => new Map<string, WheelEntry>()),
      platform,
      () => ({ due: -1, expire: () => this.expire(userId, platform) }),
    );
    wheel.set(entry, LINGER_MS);
  }

  /** What was told may be lost. */
  tellAgain(): void {
    for (const userId of this.options.userIds()) this.tell(userId);
  }

  private tell(userId: string): void {
    const leaving = this.leaving.get(userId)?.keys() ?? [];
    this.options.tell(userId, [...new Set([...this.options.platforms(userId), ...leaving])]);
  }

  private expire(userId: string, platform: string): void {
    this.forget(userId, platform);
    this.tell(userId);
  }

  private forget(userId: string, platform: string): void {
    const platforms = this.leaving.get(userId);
    platforms?.delete(platform);
    if (platforms?.size === 0) this.leaving.delete(userId);
  }
}
