/**
 * Bounds the connections of a gateway: in all, and from one address. Behind a proxy that the operator has named, the address
 * is the one that the proxy tells; over TCP a proxy cannot tell it, and only the bound on all connections counts.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ConnectionBounds, ConnectionCaps } from "@carillon/base";
import { type Logger, remoteOf, TrustedProxies } from "@carillon/base/node";
import type { GatewayMetrics } from "../metrics";
import type { ClientConnection } from "./client-connection";

export interface DoorkeeperOptions {
  bounds: ConnectionBounds;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
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

  /** Admits a new connection, or closes it. @returns whether it was admitted */
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
   * Admits a client whose request came directly or through a proxy.
   * @returns the client's address, for the log; undefined when there is no place for the client
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

  /** @param why which bound is reached: that on all connections, or that on this address */
  private countRefused(why: "all" | "address", remote: string): void {
    this.options.metrics.refusedConnections.inc({ why });
    this.options.logger.warn({ remote, why }, "there is no place for a connection");
  }
}

/** The options that all transports share. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Host name in the address that clients are told. */
  advertiseHost: string;
  accept: Accept;
  door: Doorkeeper;
  /** Bytes that may wait for a client that does not read; beyond that it is closed with SLOW_READER. */
  mostQueuedBytes: number;
}

/** Takes over a new connection. */
type Accept = (connection: ClientConnection) => void;

/** A listening transport: TCP or WebSocket. */
export interface Listener {
  /** The address that clients are told. */
  readonly address: string;
  /** Accepts no new connections; the present ones stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}
