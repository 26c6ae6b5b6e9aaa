/**
 * Bounds the connections of a gateway: in all, and from one address. Behind a proxy that the operator has named, the address
 * is the one that the proxy tells: by the PROXY protocol, or over WebSocket by X-Forwarded-For. A proxy that tells none counts
 * as one client without a bound of its own.
 */
import type { IncomingMessage } from "node:http";
import type { Server, Socket } from "node:net";
import { type ConnectionBounds, ConnectionCaps, detached, guarded } from "@carillon/base";
import {
  type Certificate,
  type ClientOrigin,
  type Logger,
  remoteOf,
  TrustedProxies,
  takeProxyHeader,
} from "@carillon/base/node";
import type { ListenerConfig } from "../listeners";
import type { GatewayMetrics } from "../metrics";
import type { ClientConnection } from "./client-connection";

export interface DoorkeeperOptions {
  bounds: ConnectionBounds;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  trustProxy: readonly string[];
  /** Time that a proxy has to send the header of the PROXY protocol, ms. */
  patienceMs: number;
  metrics: Pick<GatewayMetrics, "refusedConnections">;
  logger: Pick<Logger, "warn">;
}

export class Doorkeeper {
  private readonly caps: ConnectionCaps;
  private readonly proxies: TrustedProxies;
  /** The clients behind open connections, as headers of the PROXY protocol named them, by the other side of the socket. */
  private readonly origins = new Map<string, string>();

  constructor(private readonly options: DoorkeeperOptions) {
    this.caps = new ConnectionCaps(options.bounds);
    this.proxies = new TrustedProxies(options.trustProxy);
  }

  /**
   * Stands in front of a server: its own listeners get only connections that are admitted. Called once for a server, when its
   * own listeners are there.
   * @param proxyProtocol whether each connection must begin with a header of the PROXY protocol, from a trusted proxy
   */
  guard(server: Server, proxyProtocol: boolean): void {
    const own = server.listeners("connection") as ((socket: Socket) => void)[];
    server.removeAllListeners("connection");
    const pass = (socket: Socket) => {
      for (const listener of own) listener.call(server, socket);
    };
    server.on("connection", (socket: Socket) => {
      // A reset may come at any moment, so this listener is added before anything else happens to the connection.
      socket.on("error", destroyItself);
      const belonging = { remote: remoteOf(socket), end: () => void socket.destroy() };
      if (proxyProtocol) return detached("accept", this.admitBehind(socket, pass), belonging);
      guarded("accept", () => this.admit(socket) && pass(socket), belonging)();
    });
  }

  /** The client of a connection, `address:port`, for logs. */
  clientOf(socket: Socket): string {
    const remote = remoteOf(socket);
    return this.origins.get(remote) ?? remote;
  }

  /** Admits a new connection, or closes it. @returns whether it was admitted */
  private admit(socket: Socket): boolean {
    const { remoteAddress = "" } = socket;
    const isIn = this.enter(socket) && (this.proxies.trusts(remoteAddress) || this.admitFrom(socket, remoteAddress));
    if (!isIn) socket.destroy();
    return isIn;
  }

  /** Admits a connection of a proxy when its header has named a client for whom there is a place. */
  private async admitBehind(socket: Socket, pass: (socket: Socket) => void): Promise<void> {
    const remote = remoteOf(socket);
    let origin: ClientOrigin | undefined;
    try {
      if (!this.proxies.trusts(socket.remoteAddress ?? "")) throw new Error("it comes from no trusted proxy");
      if (!this.enter(socket)) throw new Error("there is no place");
      origin = await takeProxyHeader(socket, this.options.patienceMs);
    } catch (err) {
      this.options.logger.warn({ err, remote }, "a connection of a proxy was refused");
      socket.destroy();
      return;
    }
    if (origin !== undefined && !this.admitOrigin(socket, remote, origin)) return void socket.destroy();
    pass(socket);
  }

  private admitOrigin(socket: Socket, remote: string, { address, port }: ClientOrigin): boolean {
    if (!this.admitFrom(socket, address)) return false;
    this.origins.set(remote, `${address}:${port}`);
    socket.once("close", () => this.origins.delete(remote));
    return true;
  }

  private enter(socket: Socket): boolean {
    const place = this.caps.enter();
    if (place === undefined) this.countRefused("all", remoteOf(socket));
    else socket.once("close", place);
    return place !== undefined;
  }

  /**
   * Admits a client whose request came directly or through a proxy.
   * @returns the client's address, for the log; undefined when there is no place for the client
   */
  admitClient({ socket, headers }: IncomingMessage): string | undefined {
    const { remoteAddress = "" } = socket;
    const isKnown = this.origins.has(remoteOf(socket)) || !this.proxies.trusts(remoteAddress);
    if (isKnown) return this.clientOf(socket);
    const client = this.proxies.clientOf(remoteAddress, headers["x-forwarded-for"]);
    if (this.proxies.trusts(client)) return remoteOf(socket);
    return this.admitFrom(socket, client) ? client : undefined;
  }

  /**
   * Admits a client of a transport without connections of its own.
   * @returns a function that gives the place back; undefined when there is no place for the client
   */
  admitAddress(address: string): (() => void) | undefined {
    const place = this.caps.enter();
    if (place === undefined) {
      this.countRefused("all", address);
      return undefined;
    }
    const own = this.caps.enterFrom(address);
    if (own === undefined) {
      place();
      this.countRefused("address", address);
      return undefined;
    }
    return () => {
      own();
      place();
    };
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

/** The listener to errors of sockets; one function for all of them. */
export function destroyItself(this: Socket): void {
  this.destroy();
}

/** The options that all transports share. */
export interface ListenOptions {
  listener: ListenerConfig;
  /** The certificate of `listener.tls`; undefined: connections are not encrypted. */
  certificate?: Certificate | undefined;
  accept: Accept;
  door: Doorkeeper;
  /** Bytes that may wait for a client that does not read; beyond that it is closed with SLOW_READER. */
  mostQueuedBytes: number;
  /** Time for the handshake of TLS, and over WebSocket for the upgrade, ms. */
  patienceMs: number;
}

/** Takes over a new connection. */
type Accept = (connection: ClientConnection) => void;

/** A listening transport. */
export interface Listener {
  readonly transport: ListenerConfig["transport"];
  /** The address that clients are told. */
  readonly address: string;
  /** Accepts no new connections; the present ones stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}
