/**
 * Registering open sessions again: Redis was wiped, restarted or failed over, or this gateway was without its lease and
 * others may have taken its users for gone. Paced, because each renewal may make its devices synchronize.
 */
import { sleep } from "@carillon/base";
import type { CarillonError } from "@carillon/protocol";
import type { ReceivedBatch } from "../receipts/received-batch";
import { closeCodeOf, type SessionOpener } from "./open-session";
import type { Session } from "./session";
import type { UserRegistry } from "./user-registry";

const STEP_MS = 50;
const RETRY_MS = 1_000;

export interface RenewalOptions {
  users: UserRegistry;
  opener: Pick<SessionOpener, "register">;
  received: Pick<ReceivedBatch, "deliver">;
  /** Users whose sessions are registered again in a second. */
  perSecond: number;
}

export class Renewal {
  private readonly waiting = new Set<string>();
  private running = false;
  private readonly stopping = new AbortController();
  private run: string | undefined;

  constructor(private readonly options: RenewalOptions) {}

  /** The sessions of these users are to be registered again. */
  request(userIds: Iterable<string>): void {
    for (const userId of userIds) this.waiting.add(userId);
    if (!this.running) void this.work();
  }

  /** Tells the life of Redis; when it is another one, everybody is registered again. */
  seeRun(run: string): void {
    if (run === "" || run === this.run) return;
    const isFirst = this.run === undefined;
    this.run = run;
    if (!isFirst) this.request(this.options.users.userIds);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async work(): Promise<void> {
    const { perSecond } = this.options;
    const perStep = Math.max(1, Math.round((perSecond * STEP_MS) / 1_000));
    this.running = true;
    while (this.waiting.size > 0 && !this.stopping.signal.aborted) {
      const step = [...this.waiting].slice(0, perStep);
      for (const userId of step) this.waiting.delete(userId);
      const failed = (await Promise.all(step.map((userId) => this.renewUser(userId)))).filter((id) => id !== undefined);
      for (const userId of failed) this.waiting.add(userId);
      await sleep(failed.length > 0 ? RETRY_MS : STEP_MS, this.stopping.signal);
    }
    this.running = false;
  }

  /** @returns the user when it has to be tried again */
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
    try {
      const { inbox, delivered } = await opener.register(session, identity, {
        epoch: delivery.epoch,
        seq: delivery.acked,
      });
      received.deliver(identity.userId, delivered);
      users.user(identity.userId)?.inbox.expectIfOpen(inbox.epoch, inbox.seq);
    } catch (error) {
      const { name } = error as CarillonError;
      if (name === "BUSY" || name === "INTERNAL") throw error;
      session.kick(closeCodeOf(name));
    }
  }
}
