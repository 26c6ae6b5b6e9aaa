/** Servers that strangers reach: what every listener of ours has in common. */
import { createServer, type Server as HttpServer, type RequestListener, type ServerOptions } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { guarded, reportCaught } from "../../boundary";

/** Connections that the kernel may hold for us. */
const BACKLOG = 4_096;
/** How often it is looked whether a request has taken too long, ms. */
const CHECK_MS = 1_000;

/**
 * Begins to listen.
 * @returns the port
 * @throws Error when the port cannot be had; errors after that (no file descriptor for a connection) are counted only
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

/** A reset may come at any moment: it is listened to before anything else, and for as long as the socket lives. */
export function expectResets(server: Server): void {
  server.prependListener("connection", (socket: Socket) => socket.on("error", () => socket.destroy()));
}

export interface StrangersServerOptions extends Pick<ServerOptions, "maxHeaderSize" | "noDelay"> {
  /** Who has sent nothing, or not all of a request, after this time is cut off, ms; and who keeps a connection idle. */
  patienceMs: number;
}

/** An HTTP server; an error in `answer` ends that request's connection only. */
export function createStrangersServer(
  { patienceMs, ...options }: StrangersServerOptions,
  answer: RequestListener,
): HttpServer {
  const server = createServer({
    ...options,
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    keepAliveTimeout: patienceMs,
    connectionsCheckingInterval: CHECK_MS,
  });
  expectResets(server);
  server.on("request", (request, response) => {
    const { socket } = request;
    guarded("http", answer, { remote: remoteOf(socket), end: () => void socket.destroy() })(request, response);
  });
  return server;
}

/** The address of the other side, for logs. */
export function remoteOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress}:${remotePort}`;
}
