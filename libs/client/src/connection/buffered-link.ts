/** Keeps what a link brings until somebody is attached: frames may come in the turn in which it opened. */
import type { Frame } from "@carillon/protocol";
import type { LinkEvents } from "./transport";

export class LinkBuffer implements LinkEvents {
  #events: LinkEvents | undefined;
  #frames: Frame[] = [];
  #closed: { code: number | undefined } | undefined;

  attach(events: LinkEvents): void {
    this.#events = events;
    for (const frame of this.#frames.splice(0)) events.onFrame(frame);
    if (this.#closed !== undefined) events.onClosed(this.#closed.code);
  }

  onFrame(frame: Frame): void {
    if (this.#closed !== undefined) return;
    if (this.#events === undefined) this.#frames.push(frame);
    else this.#events.onFrame(frame);
  }

  /** Only the first call counts. */
  onClosed(code: number | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { code };
    this.#events?.onClosed(code);
  }
}
