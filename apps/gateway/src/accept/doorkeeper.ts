/**
 * Who may come in at all: so many connections in all, and so many from one address. Behind a proxy that the operator has named
 * the address is the one that this proxy has seen; over TCP it cannot say so, and only the bound of all counts.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ConnectionBounds, ConnectionCaps } from "@carillon/base";
import { type Logger, remoteOf, TrustedProxies } from "@carillon/base/node";
import type { GatewayMetrics } from "../metrics";
import type { ClientConnection } from "./client-connection";

export interface DoorkeeperOptions {
  bounds: ConnectionBounds;
  /** Proxies whose X-Forwarded-For is believed. */
  trustProxy: readonly string[];
  metrics: Pick<GatewayMetrics, "refusedConnections">;
  logger: Pick<Logger, "warn">;
}

export class Doorkeeper {
  private readonly caps: ConnectionCaps;
  private readonly proxies: TrustedProxies;

  constructor(private readonly options: DoorkeeperOptions) {
    this.caps = new ConnectionCaps(options.bounds);
    this.proxies = new TrustedProxies(options.trustProxy);
  }

  /** A connection has come. @returns false when there is no place for it, and it was closed */
  admit(socket: Socket): boolean {
    const { remoteAddress = "" } = socket;
    const place = this.caps.enter();
    if (place === undefined) this.countRefused("all", remoteOf(socket));
    else socket.once("close", place);
    const isIn = place !== undefined && (this.proxies.trusts(remoteAddress) || this.admitFrom(socket, remoteAddress));
    if (!isIn) socket.destroy();
    return isIn;
  }

  /**
   * A proxy has brought a client.
   * @returns whose connection it is, for the log; undefined when there is no place for it
   */
  admitClient({ socket, headers }: IncomingMessage): string | undefined {
    const { remoteAddress = "" } = socket;
    if (!this.proxies.trusts(remoteAddress)) return remoteOf(socket);
    const client = this.proxies.clientOf(remoteAddress, headers["x-forwarded-for"]);
    if (this.proxies.trusts(client)) return remoteOf(socket);
    return this.admitFrom(socket, client) ? client : undefined;
  }

  private admitFrom(socket: Socket, address: string): boolean {
    const place = this.caps.enterFrom(address);
    if (place === undefined) this.countRefused("address", address);
    else socket.once("close", place);
    return place !== undefined;
  }

  /** @param why there is no place at all, or none for this address */
  private countRefused(why: "all" | "address", remote: string): void {
    this.options.metrics.refusedConnections.inc({ why });
    this.options.logger.warn({ remote, why }, "there is no place for a connection");
  }
}

/** What a transport needs to listen. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Host name that clients are told. */
  advertiseHost: string;
  accept: Accept;
  door: Doorkeeper;
  /** Bytes that may wait for a client that does not read; beyond, it is closed with SLOW_READER. */
  mostQueuedBytes: number;
}

/** Takes over a fresh connection. */
type Accept = (connection: ClientConnection) => void;

/** A way for clients to come in: TCP, WebSocket, and what may follow. */
export interface Listener {
  /** Address that clients are told. */
  readonly address: string;
  /** No new connections; the present ones stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}
