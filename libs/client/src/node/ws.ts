/** WebSocket by the `ws` package: Node 20 has none of its own, and this one is faster. */
import { WebSocket } from "ws";
import { SUBPROTOCOL, type WebSocketFace, webSocketTransport } from "../connection/websocket";

/** Frames over a WebSocket; what `transport: "ws"` means in Node. */
export const wsTransport = webSocketTransport(
  (url) => new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false }) as unknown as WebSocketFace,
);
