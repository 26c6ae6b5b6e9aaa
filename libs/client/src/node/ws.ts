/** WebSocket by the `ws` package: Node 20 has none of its own, and this one is faster. */
import { WebSocket } from "ws";
import { SUBPROTOCOL, type WebSocketFace, webSocketTransport } from "../connection/websocket";

export const wsTransport = webSocketTransport(
  (url) => new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false }) as unknown as WebSocketFace,
);
