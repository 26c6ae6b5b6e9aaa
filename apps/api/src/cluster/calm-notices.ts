/**
 * Notices that one user can cause again and again at another user, by asking and taking back. The first notice goes out at once;
 * those of the next moment go out as one. Nothing is lost by that, since a notice only says that there is something to fetch.
 */
import { guarded } from "@carillon/base";

/** Time after a notice in which its cause sends no other, ms. */
const CALM_MS = 10_000;

export class CalmNotices {
  /** Causes of recent notices, each with the newest notice that waits. */
  private readonly calm = new Map<string, (() => void) | undefined>();

  /** @param cause names the acting user and the other one @param send sends the notice; of several that wait, the newest is sent */
  tell(cause: string, send: () => void): void {
    if (this.calm.has(cause)) {
      this.calm.set(cause, send);
      return;
    }
    send();
    this.calm.set(cause, undefined);
    setTimeout(
      guarded("calm notices", () => this.wake(cause)),
      CALM_MS,
    ).unref();
  }

  private wake(cause: string): void {
    const waiting = this.calm.get(cause);
    this.calm.delete(cause);
    if (waiting !== undefined) this.tell(cause, waiting);
  }
}
