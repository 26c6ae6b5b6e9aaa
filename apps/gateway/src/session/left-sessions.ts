/**
 * Connections that are gone, until the registry knows it. An entry that stays behind would show its user online for as long as
 * this gateway lives, and a worker or Redis may just be away when a connection ends. Of a gateway that dies no entry counts.
 */
import { sleep } from "@carillon/base";
import { ask, type Bus, type SessionClose, subjects } from "@carillon/bus";
import type { OwnUsers } from "../presence/own-users";
import { CLOSED_ANSWER_MS } from "../timings";
import type { Session } from "./session";
import type { Identity } from "./session-state";

const AGAIN_MS = 2_000;
const ASKED_AT_ONCE = 500;

export class LeftSessions {
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
    private readonly presence: Pick<OwnUsers, "tell">,
  ) {}

  /** The session's connection is closed. Resolves when the registry knows it, or when that is tried again later. */
  async add({ number: connection }: Session, { userId, deviceId }: Identity): Promise<void> {
    const left = { userId, deviceId, ...this.node, connection, endedAt: this.bus.clock.now() };
    if (await this.isConfirmed(left)) return;
    this.unconfirmed.add(left);
    void this.tryAgain();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async tryAgain(): Promise<void> {
    if (this.isTrying) return;
    this.isTrying = true;
    const { signal } = this.stopping;
    while (this.unconfirmed.size > 0 && !signal.aborted) {
      await sleep(AGAIN_MS, signal);
      const part = [...this.unconfirmed].slice(0, ASKED_AT_ONCE);
      await Promise.all(part.map((left) => this.try(left)));
    }
    this.isTrying = false;
  }

  private async try(left: SessionClose): Promise<void> {
    if (this.stopping.signal.aborted || !(await this.isConfirmed(left))) return;
    this.unconfirmed.delete(left);
    this.presence.tell(left.userId);
  }

  private async isConfirmed(left: SessionClose): Promise<boolean> {
    return ask<SessionClose, null>(this.bus, subjects.sessionClose, left, CLOSED_ANSWER_MS).then(
      () => true,
      () => false,
    );
  }
}
