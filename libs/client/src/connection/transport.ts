/** What carries frames. The core knows these two faces only. */
import type { Frame, GatewayAddress } from "@carillon/protocol";

/** What a link tells its owner. */
export interface LinkEvents {
  /** A whole frame has come. */
  onFrame(frame: Frame): void;
  /** The other side, the network or `close` has ended it. `code`: of the WebSocket; undefined where there is none. */
  onClosed(code: number | undefined): void;
}

/** An open way to a gateway. */
export interface Link {
  /** What came before is handed over at once. Called once. */
  attach(events: LinkEvents): void;
  /** Whole frames. On a link that is closed nothing happens. */
  send(frames: Uint8Array): void;
  /** Ends it; onClosed follows. */
  close(): void;
}

/** A way to open links to gateways. */
export interface Transport {
  /** @throws when the gateway does not answer within `timeoutMs`, or has no such address */
  open(address: GatewayAddress, timeoutMs: number): Promise<Link>;
}

/** Keeps what a link brings until somebody is attached: frames may come in the turn in which it opened. */

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
