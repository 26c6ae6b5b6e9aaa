/**
 * Clients over WebSocket: binary messages of whole frames (subprotocol carillon.v1), or one frame as JSON text per
 * message (carillon.json.v1). The same port answers health and metrics over HTTP.
 */
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { Duplex } from "node:stream";
import { guarded } from "@carillon/base";
import { limits } from "@carillon/protocol";
import { WebSocketServer } from "ws";
import type { Listener, ListenOptions } from "./client-connection";
import { listenOn, remoteOf } from "./listen";
import { pathOf } from "./request-target";
import { chooseProtocol, newWebSocketConnection } from "./websocket-connection";

/** An honest client sends a message whole; many tiny fragments only pin memory. */
const MOST_FRAGMENTS = 16;
const MOST_CHUNKS = 256;
const MOST_HEADER_BYTES = 8 * 1024;

export async function listenWebSocket(options: ListenOptions & { http: RequestListener }): Promise<Listener> {
  const server = createServer({ maxHeaderSize: MOST_HEADER_BYTES, noDelay: true }, (request, response) => {
    const { socket } = request;
    const belonging = { remote: remoteOf(socket), end: () => void socket.destroy() };
    guarded("http", options.http, belonging)(request, response);
  });
  // A reset may come at any moment, also when neither the HTTP server nor ws listens: before them, and after a refusal.
  server.prependListener("connection", (socket) => socket.on("error", () => socket.destroy()));
  const upgrade = newUpgrade(options);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const belonging = { remote: remoteOf(request.socket), end: () => void socket.destroy() };
    guarded("upgrade", upgrade, belonging)(request, socket, head);
  });
  const port = await listenOn(server, options.host, options.port);
  return {
    address: `ws://${options.advertiseHost}:${port}/ws`,
    stopAccepting: () => server.close(),
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function newUpgrade({ accept, mostQueuedBytes }: ListenOptions) {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxWebSocketMessageBytes,
    perMessageDeflate: false,
    maxFragments: MOST_FRAGMENTS,
    maxBufferedChunks: MOST_CHUNKS,
    handleProtocols: (offered) => chooseProtocol(offered) ?? false,
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  return (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      accept(newWebSocketConnection(webSocket, remoteOf(request.socket), mostQueuedBytes));
    });
  };
}

/** @returns the status line of the refusal, or undefined for an upgrade that ws may judge */
function refusalOf({ url, headers }: IncomingMessage): string | undefined {
  if (pathOf(url) !== "/ws") return "404 Not Found";
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return chooseProtocol(offered) === undefined ? "400 Bad Request" : undefined;
}
