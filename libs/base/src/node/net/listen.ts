/** Servers that strangers can reach: the common part of every listener. */
import { createServer, type Server as HttpServer, type RequestListener, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { guarded, reportCaught } from "../../boundary";
import type { Certificate } from "./certificates";

/** Maximum number of connections that the kernel may hold for this process. */
const BACKLOG = 4_096;
/** Interval of the check for requests that take too long, ms. */
const CHECK_MS = 1_000;

/**
 * Begins to listen.
 * @returns the port
 * @throws Error when the port is not available; later errors (no file descriptor for a connection) are only counted
 */
export async function listenOn(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    let onError = reject;
    server.on("error", (error) => onError(error));
    server.listen({ host, port, backlog: BACKLOG }, () => {
      onError = (error) => reportCaught("listener", error);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

/** Listens to errors of a socket first of all and for its whole life, because a reset may come at any moment. */
export function expectResets(server: Server): void {
  for (const event of ["connection", "secureConnection"]) {
    server.prependListener(event, (socket: Socket) => socket.on("error", () => socket.destroy()));
  }
}

export interface StrangersServerOptions extends Pick<ServerOptions, "maxHeaderSize" | "noDelay"> {
  /** A connection without a complete request after this time is closed, ms; so is an idle connection. */
  patienceMs: number;
  /** With it the server speaks HTTPS. */
  certificate?: Certificate | undefined;
}

/** Creates an HTTP server; an error in `answer` ends only the connection of that request. */
export function createStrangersServer(
  { patienceMs, certificate, ...options }: StrangersServerOptions,
  answer: RequestListener,
): HttpServer {
  const bounded = {
    ...options,
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    keepAliveTimeout: patienceMs,
    connectionsCheckingInterval: CHECK_MS,
  };
  const server = certificate === undefined ? createServer(bounded) : secureServer(bounded, certificate);
  expectResets(server);
  server.on("request", (request, response) => {
    const { socket } = request;
    guarded("http", answer, { remote: remoteOf(socket), end: () => void socket.destroy() })(request, response);
  });
  return server;
}

function secureServer(bounded: ServerOptions & { headersTimeout: number }, certificate: Certificate): HttpServer {
  const server = createSecureServer({ ...bounded, ...httpsOptions(certificate, bounded.headersTimeout) });
  certificate.follow(server);
  return server;
}

/** The options that turn a server of HTTP into one of HTTPS. @param patienceMs time for the handshake, ms */
export function httpsOptions(certificate: Certificate, patienceMs: number) {
  return { ...certificate.options, handshakeTimeout: patienceMs, ALPNProtocols: ["http/1.1"] };
}

/** The address of the other side, for logs. */
export function remoteOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress}:${remotePort}`;
}
