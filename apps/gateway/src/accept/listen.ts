/** What the listeners of all transports share. */
import type { Server, Socket } from "node:net";
import { reportCaught } from "@carillon/base";

/** Connections that the kernel may hold for us. */
const BACKLOG = 4_096;

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
  return (server.address() as { port: number }).port;
}

/** The address of the other side, for logs. */
export function remoteOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress}:${remotePort}`;
}
