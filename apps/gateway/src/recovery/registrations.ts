/**
 * Keeps the session registry in Redis equal to the sessions of this gateway. Workers write the registry; a worker or Redis
 * may be away when a session ends, and Redis may lose the registry.
 */
import { sleep } from "@carillon/base";
import { ask, type Bus, type SessionClose, sessionClose } from "@carillon/bus";
import type { CarillonError } from "@carillon/protocol";
import type { LocalPresence } from "../presence/local-presence";
import type { ReceivedBatch } from "../receipts/received-batch";
import { closeCodeOf, type SessionOpener } from "../session/open-session";
import type { Session } from "../session/session";
import type { Identity } from "../session/session-state";
import type { UserRegistry } from "../session/user-registry";
import { PACES } from "./causes";

const STEP_MS = 50;

export interface RenewalOptions {
  users: UserRegistry;
  opener: Pick<SessionOpener, "register">;
  received: Pick<ReceivedBatch, "deliver">;
  /** Users whose sessions are registered again in a second. */
  perSecond: number;
}

/**
 * Registers open sessions again: Redis was wiped, restarted or failed over, or this gateway was without its lease, and other
 * gateways may have counted its users as gone. Paced, because a renewed device may have to SYNC.
 */
export class Renewal {
  private readonly waiting = new Set<string>();
  private isRunning = false;
  private readonly stopping = new AbortController();
  /** The life of Redis, as ticks name it. */
  private redisLife: string | undefined;

  constructor(private readonly options: RenewalOptions) {}

  /** Requests that the sessions of these users are registered again. */
  request(userIds: Iterable<string>): void {
    for (const userId of userIds) this.waiting.add(userId);
    if (!this.isRunning) void this.work();
  }

  /** Notices the life of Redis that a tick names; when it is a new life, the sessions of all users are registered again. */
  seeRedisLife(life: string): void {
    if (life === "" || life === this.redisLife) return;
    const isFirst = this.redisLife === undefined;
    this.redisLife = life;
    if (!isFirst) this.request(this.options.users.userIds);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async work(): Promise<void> {
    const { perSecond } = this.options;
    const perStep = Math.max(1, Math.round((perSecond * STEP_MS) / 1_000));
    this.isRunning = true;
    while (this.waiting.size > 0 && !this.stopping.signal.aborted) {
      const step = [...this.waiting].slice(0, perStep);
      for (const userId of step) this.waiting.delete(userId);
      const failed = (await Promise.all(step.map((userId) => this.renewUser(userId)))).filter((id) => id !== undefined);
      for (const userId of failed) this.waiting.add(userId);
      await sleep(failed.length > 0 ? PACES.registrations.retryMs : STEP_MS, this.stopping.signal);
    }
    this.isRunning = false;
  }

  /** @returns the user if their sessions have to be tried again */
  private async renewUser(userId: string): Promise<string | undefined> {
    try {
      await Promise.all(this.options.users.openSessions(userId).map((session) => this.renewSession(session)));
      return undefined;
    } catch {
      return userId;
    }
  }

  /**
   * Registers an open session again, as it is now, and fetches the events that it missed meanwhile.
   * @throws CarillonError BUSY when no worker could be asked
   */
  private async renewSession(session: Session): Promise<void> {
    const { users, opener, received } = this.options;
    const { identity, delivery } = session;
    if (identity === undefined || delivery === undefined) return;
    const place = { epoch: delivery.inboxEpoch, seq: delivery.acked };
    try {
      const { inbox, delivered } = await opener.register(session, identity, place);
      received.deliver(identity.userId, delivered);
      users.user(identity.userId)?.inbox.expectIfOpen(inbox.epoch, inbox.seq);
    } catch (error) {
      const { name } = error as CarillonError;
      if (name === "BUSY" || name === "INTERNAL") throw error;
      session.kick(closeCodeOf(name));
    }
  }
}

/**
 * Reports closed sessions to workers until the registry has removed them. An entry that stays behind would show its user as
 * online for as long as this gateway lives. Entries of a gateway that has died do not count.
 */
export class ClosedSessions {
  private readonly unconfirmed = new Set<SessionClose>();
  private isTrying = false;
  private readonly stopping = new AbortController();

  /**
   * @param node this gateway and its boot
   * @param presence publishes the user's presence again when the registry was late: others may have asked it before
   */
  constructor(
    private readonly bus: Bus,
    private readonly node: Pick<SessionClose, "gateway" | "boot">,
    private readonly presence: Pick<LocalPresence, "publish">,
  ) {}

  /** The session's connection is closed. Resolves after the first attempt to report it. */
  async add({ number: connection }: Session, { userId, deviceId }: Identity): Promise<void> {
    const closed = { userId, deviceId, ...this.node, connection, endedAt: this.bus.clock.now() };
    if (await this.isConfirmed(closed)) return;
    this.unconfirmed.add(closed);
    void this.tryAgain();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async tryAgain(): Promise<void> {
    if (this.isTrying) return;
    this.isTrying = true;
    const { signal } = this.stopping;
    const { everyMs, sessionsAtOnce } = PACES.closings;
    while (this.unconfirmed.size > 0 && !signal.aborted) {
      await sleep(everyMs, signal);
      const part = [...this.unconfirmed].slice(0, sessionsAtOnce);
      await Promise.all(part.map((closed) => this.try(closed)));
    }
    this.isTrying = false;
  }

  private async try(closed: SessionClose): Promise<void> {
    if (this.stopping.signal.aborted || !(await this.isConfirmed(closed))) return;
    this.unconfirmed.delete(closed);
    this.presence.publish(closed.userId);
  }

  private async isConfirmed(closed: SessionClose): Promise<boolean> {
    return ask(this.bus, sessionClose, closed).then(
      () => true,
      () => false,
    );
  }
}
