/**
 * Listens for clients over WebSocket: binary messages of whole frames (subprotocol carillon.v1), or one frame as JSON text per
 * message (carillon.json.v1). The same port answers health checks and metrics over HTTP.
 */
import type { IncomingMessage, RequestListener } from "node:http";
import type { Duplex } from "node:stream";
import { guarded } from "@carillon/base";
import { createStrangersServer, listenOn, remoteOf } from "@carillon/base/node";
import { limits } from "@carillon/protocol";
import { WebSocketServer } from "ws";
import { addressOf, WS_PATH } from "../listeners";
import { LINGER_MS } from "./client-connection";
import type { Listener, ListenOptions } from "./doorkeeper";
import type { Origins } from "./origins";
import { chooseProtocol, newWebSocketConnection } from "./websocket-connection";

/** An honest client sends a message whole; many tiny fragments only occupy memory. */
const MOST_FRAGMENTS = 16;
const MOST_CHUNKS = 256;
const MOST_HEADER_BYTES = 8 * 1024;

export interface WebSocketListenOptions extends ListenOptions {
  /** Answers requests that are no upgrade. */
  http: RequestListener;
  /** The origins whose pages may open a WebSocket. */
  origins: Origins;
}

export async function listenWebSocket(options: WebSocketListenOptions): Promise<Listener> {
  const { http, patienceMs, door, listener, certificate } = options;
  const bounded = { maxHeaderSize: MOST_HEADER_BYTES, noDelay: true, patienceMs, certificate };
  const server = createStrangersServer(bounded, http);
  door.guard(server, listener.proxyProtocol);
  const upgrade = newUpgrade(options);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const belonging = { remote: remoteOf(request.socket), end: () => void socket.destroy() };
    guarded("upgrade", upgrade, belonging)(request, socket, head);
  });
  const port = await listenOn(server, listener.host, listener.port);
  return {
    transport: "ws",
    address: addressOf(listener, port),
    stopAccepting: () => server.close(),
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function newUpgrade({ accept, mostQueuedBytes, door, listener, origins }: WebSocketListenOptions) {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxWebSocketMessageBytes,
    perMessageDeflate: false,
    maxFragments: MOST_FRAGMENTS,
    maxBufferedChunks: MOST_CHUNKS,
    // A PING counts like any other frame, and is answered within the limit of frames.
    autoPong: false,
    handleProtocols: (offered) => chooseProtocol(offered) ?? false,
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  return (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, listener.path) ?? (origins.admits(request) ? undefined : "403 Forbidden");
    if (refusal !== undefined) return refuse(socket, refusal);
    const remote = door.admitClient(request);
    if (remote === undefined) return refuse(socket, "503 Service Unavailable");
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      accept(newWebSocketConnection(webSocket, remote, mostQueuedBytes));
    });
  };
}

/** @returns the status line of the refusal, or undefined for an upgrade that ws may judge */
function refusalOf({ url, headers }: IncomingMessage, path: string): string | undefined {
  // A balancer may take its own part off the path, or leave it on.
  if (![WS_PATH, path].includes(pathOf(url))) return "404 Not Found";
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return chooseProtocol(offered) === undefined ? "400 Bad Request" : undefined;
}

/** The HTTP server does not watch the socket any more: without this, a client that never closes would keep it for ever. */
function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  const destroy = guarded("socket", () => socket.destroy());
  setTimeout(destroy, LINGER_MS).unref();
}

/** An address in front of the path: only a request to a proxy has one, and its host does not matter here. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * The path of a request's target, as it was sent: without query, not decoded. Never throws, whatever the target is; the
 * constructor of URL throws for `//` and `http://[`.
 * @returns "/" when there is no path
 */
export function pathOf(target: string | undefined): string {
  const [path = ""] = (target ?? "").replace(ORIGIN, "").split(/[?#]/, 1);
  return path === "" ? "/" : path;
}
