/**
 * What a gateway tells its devices when updates of marks may have been lost on their way to it: that they should look.
 * Such updates stand in no inbox; SYNC tells the marks. Not at once, since workers gather marks before MySQL has them,
 * and paced, since every device asks.
 */
import { guarded, sleep } from "@carillon/base";
import { TIMINGS } from "@carillon/bus";
import { Command, encodeFrame } from "@carillon/protocol";
import type { UserRegistry } from "../session/user-registry";

const STEP_MS = 50;

export class LostNotices {
  private timer: NodeJS.Timeout | undefined;
  private isWantedAgain = false;
  private readonly stopping = new AbortController();

  /** @param perSecond devices that are told */
  constructor(
    private readonly users: Pick<UserRegistry, "sessions">,
    private readonly perSecond: number,
  ) {}

  /** Something was lost: every device that is here then is to look. */
  request(): void {
    this.isWantedAgain = this.timer !== undefined;
    this.timer ??= setTimeout(
      guarded("timer", () => this.tell()),
      TIMINGS.noticeRepairMs,
    );
  }

  stop(): void {
    clearTimeout(this.timer);
    this.stopping.abort();
  }

  private async tell(): Promise<void> {
    const { signal } = this.stopping;
    const perStep = Math.max(1, Math.round((this.perSecond * STEP_MS) / 1_000));
    const frame = encodeFrame(Command.CHANGED, 0, { what: "conversation-settings", version: 0 });
    const sessions = [...this.users.sessions.values()];
    for (let at = 0; at < sessions.length && !signal.aborted; at += perStep) {
      for (const session of sessions.slice(at, at + perStep)) if (session.isOpen) session.connection.send(frame);
      await sleep(STEP_MS, signal);
    }
    this.timer = undefined;
    if (this.isWantedAgain && !signal.aborted) this.request();
  }
}
