/**
 * A proxy between two processes that treats their link as networks do: it becomes silent in one or both directions, becomes
 * slow, or is reset.
 *
 * A silent direction swallows packets: nothing passes, and neither side is told. TCP repeats lost packets, so the bytes arrive
 * when the link heals, unless one side has given the connection up before. Therefore the proxy does not read from a silent
 * direction. A cut link behaves like a firewall that answers: connections are reset, and new ones are refused at once.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** A direction: to the server, to the client, or both. */
export type LinkDirection = "to-server" | "to-client" | "both";

interface Pair {
  client: Socket;
  server: Socket;
}

export class TcpProxy {
  private readonly pairs = new Set<Pair>();
  private silent: LinkDirection | undefined;
  private isCut = false;
  private delayMs = 0;

  private constructor(
    private readonly target: { host: string; port: number },
    private readonly listener: Server,
  ) {
    listener.on("connection", (client) => this.accept(client));
  }

  /** Listens on a free loopback port and passes all connections on to the target, which need not run yet. */
  static async open(target: { host: string; port: number }): Promise<TcpProxy> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen({ host: "127.0.0.1", port: 0 }, resolve);
    });
    return new TcpProxy(target, listener);
  }

  /** The port on 127.0.0.1 to use in place of the target's. */
  get port(): number {
    return (this.listener.address() as { port: number }).port;
  }

  /** Number of open connections. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Makes a direction silent: nothing passes, and no side is told. */
  silence(direction: LinkDirection): void {
    this.silent = direction;
    for (const pair of this.pairs) this.apply(pair);
  }

  /** Resets all connections and refuses new ones. */
  cut(): void {
    this.isCut = true;
    this.reset();
  }

  /** Resets all connections; new connections pass. */
  reset(): void {
    for (const { client, server } of [...this.pairs]) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Delays every byte by this time, ms, in each direction. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Lets everything pass again; waiting bytes go first. */
  heal(): void {
    this.isCut = false;
    this.silent = undefined;
    this.delayMs = 0;
    for (const pair of this.pairs) this.apply(pair);
  }

  /** Ends all connections and stops listening. */
  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private accept(client: Socket): void {
    if (this.isCut) return void client.on("error", () => {}).resetAndDestroy();
    const server = connect({ ...this.target, noDelay: true, allowHalfOpen: true });
    const pair = { client, server };
    this.pairs.add(pair);
    this.forward(client, server);
    this.forward(server, client);
    this.apply(pair);
  }

  private forward(from: Socket, to: Socket): void {
    const later = (work: () => void) => (this.delayMs === 0 ? work() : void setTimeout(work, this.delayMs));
    from.on("data", (chunk) =>
      later(() => {
        if (to.destroyed || to.write(chunk)) return;
        from.pause();
        to.once("drain", () => this.applyTo(from));
      }),
    );
    from.on("end", () => later(() => void to.end()));
    from.on("error", () => {});
    from.on("close", () => {
      for (const pair of this.pairs) if (pair.client === from || pair.server === from) this.pairs.delete(pair);
      // The end of a side must not pass while its direction is silent.
      later(() => this.afterSilence(from, to));
    });
  }

  private afterSilence(from: Socket, to: Socket): void {
    if (this.silent === undefined || this.isCut) return void (to.destroyed || to.destroy());
    const wait = setInterval(() => {
      if (this.silent !== undefined && !to.destroyed) return;
      clearInterval(wait);
      from.destroy();
      to.destroy();
    }, 20);
  }

  private apply({ client, server }: Pair): void {
    this.applyTo(client);
    this.applyTo(server);
  }

  private applyTo(socket: Socket): void {
    const pair = [...this.pairs].find(({ client, server }) => client === socket || server === socket);
    const own: LinkDirection = pair?.client === socket ? "to-server" : "to-client";
    if (this.silent === "both" || this.silent === own) socket.pause();
    else socket.resume();
  }
}
