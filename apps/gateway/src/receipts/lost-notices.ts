/**
 * What a gateway tells its devices when updates of marks may have been lost on their way to it: that they should look.
 * Such updates stand in no inbox; SYNC tells the marks. Paced, since every device asks.
 */
import { sleep } from "@carillon/base";
import { Command, encodeFrame } from "@carillon/protocol";
import type { Session } from "../session/session";

const STEP_MS = 50;

export class LostNotices {
  private waiting = new Set<Session>();
  private isTelling = false;
  private readonly stopping = new AbortController();

  /** @param perSecond devices that are told */
  constructor(
    private readonly sessions: () => Iterable<Session>,
    private readonly perSecond: number,
  ) {}

  /** Something was lost: every device that is here now is to look. */
  request(): void {
    for (const session of this.sessions()) if (session.isOpen) this.waiting.add(session);
    if (!this.isTelling) void this.tell();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async tell(): Promise<void> {
    this.isTelling = true;
    const perStep = Math.max(1, Math.round((this.perSecond * STEP_MS) / 1_000));
    const frame = encodeFrame(Command.CHANGED, 0, { what: "conversation-settings", version: 0 });
    while (this.waiting.size > 0 && !this.stopping.signal.aborted) {
      for (const session of [...this.waiting].slice(0, perStep)) {
        this.waiting.delete(session);
        if (session.isOpen) session.connection.send(frame);
      }
      await sleep(STEP_MS, this.stopping.signal);
    }
    this.isTelling = false;
  }
}
