/**
 * Notices that one user can cause again and again at another one, by asking and taking back: the first goes out at once, and
 * what follows within a moment goes out as one, which says how it stands then. Nothing is lost by it, since a notice only says
 * that there is something to fetch.
 */
import { guarded } from "@carillon/base";

/** For so long a cause is quiet after a notice, ms. */
const CALM_MS = 10_000;

export class CalmNotices {
  /** Causes that have been told lately, with the newest notice that waits. */
  private readonly calm = new Map<string, (() => void) | undefined>();

  /** @param cause who does it to whom @param send the notice; of several that wait the newest is sent */
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
