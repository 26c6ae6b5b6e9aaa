/** WebSocket by the `ws` package: Node 20 has no WebSocket, and the package is faster than the one of later versions. */
import { WebSocket } from "ws";
import { SUBPROTOCOL, type WebSocketFace, webSocketTransport } from "../connection/websocket";

/** Frames over a WebSocket: the transport `"ws"` in Node. */
export const wsTransport = webSocketTransport(
  (url) => new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false }) as unknown as WebSocketFace,
);
