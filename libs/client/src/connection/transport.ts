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
