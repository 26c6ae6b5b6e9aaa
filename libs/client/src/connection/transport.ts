/** Transports, which carry frames. The core knows only the interfaces Link and Transport. */
import type { Frame, GatewayAddress } from "@carillon/protocol";
import type { Api } from "../http/http-api";

/** The callbacks by which a link reports to its owner. */
export interface LinkEvents {
  /** A whole frame has come. */
  onFrame(frame: Frame): void;
  /**
   * The other side, the network or `close` has ended the link. `code`: the close code of the WebSocket; undefined if there is
   * none.
   */
  onClosed(code: number | undefined): void;
}

/** An open link to a gateway. */
export interface Link {
  /** Attaches the owner, which gets earlier frames at once. Called once. */
  attach(events: LinkEvents): void;
  /** Sends whole frames; does nothing on a closed link. */
  send(frames: Uint8Array): void;
  /** Ends the link; onClosed follows. */
  close(): void;
}

/** Opens links to gateways. */
export interface Transport {
  /**
   * @param api for a transport that must ask the API for something first
   * @throws if the gateway does not answer within `timeoutMs`, or has no such address
   */
  open(address: GatewayAddress, timeoutMs: number, api: Pick<Api, "call">): Promise<Link>;
}

/** A transport that needs no api, or has one. */
export interface LinkOpener {
  open(address: GatewayAddress, timeoutMs: number): Promise<Link>;
}

/** @throws Error if the gateway does not listen over that transport */
export function addressFor(transport: "ws" | "tcp" | "udp", address: GatewayAddress): string {
  const { gatewayId, [transport]: found } = address;
  if (found === undefined) throw new Error(`${gatewayId} has no address for ${transport}`);
  return found;
}

/** Keeps the frames of a link until its owner is attached: frames may come in the turn in which the link opened. */

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
