/** The transport over any WebSocket (browser or `ws`): binary messages of whole frames. */
import { decodeFrames, type GatewayAddress } from "@carillon/protocol";
import type { Link, LinkEvents, LinkOpener } from "./transport";
import { addressFor, LinkBuffer } from "./transport";

export const SUBPROTOCOL = "carillon.v1";

/** The part of a WebSocket that the SDK uses; thanks to it the core needs no types of the DOM. */
export interface WebSocketFace {
  binaryType: string;
  readonly readyState: number;
  send(data: Uint8Array): void;
  close(): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
}

const OPEN = 1;

export function webSocketTransport(create: (url: string) => WebSocketFace): LinkOpener {
  return {
    open: async (address: GatewayAddress, timeoutMs) => {
      const ws = addressFor("ws", address);
      const link = new WebSocketLink(create(ws));
      await link.opened(ws, timeoutMs);
      return link;
    },
  };
}

/** The WebSocket of the platform: of browsers, and of other platforms with a global WebSocket. */
export function platformWebSocket(): LinkOpener {
  const { WebSocket } = globalThis as unknown as { WebSocket?: new (url: string, protocol: string) => WebSocketFace };
  return webSocketTransport((url) => {
    if (WebSocket === undefined) throw new Error("this platform has no WebSocket: pass a transport");
    return new WebSocket(url, SUBPROTOCOL);
  });
}

class WebSocketLink implements Link {
  readonly #buffer = new LinkBuffer();

  constructor(private readonly socket: WebSocketFace) {
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", ({ code }) => this.#buffer.onClosed(code));
    socket.addEventListener("error", () => {});
  }

  opened(url: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.socket.close();
        reject(new Error(`${url} did not answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.socket.addEventListener("open", () => {
        clearTimeout(timer);
        resolve();
      });
      this.socket.addEventListener("close", () => {
        clearTimeout(timer);
        reject(new Error(`${url} cannot be reached`));
      });
    });
  }

  attach(events: LinkEvents): void {
    this.#buffer.attach(events);
  }

  send(frames: Uint8Array): void {
    if (this.socket.readyState === OPEN) this.socket.send(frames);
  }

  close(): void {
    this.socket.close();
    // A dead network never confirms the close; the client must not wait for it.
    this.#buffer.onClosed(undefined);
  }

  #receive(data: unknown): void {
    // This subprotocol has no text messages.
    if (!(data instanceof ArrayBuffer)) return this.close();
    const { frames, fault } = decodeFrames(new Uint8Array(data));
    for (const frame of frames) this.#buffer.onFrame(frame);
    if (fault !== undefined) this.close();
  }
}
