/**
 * A proxy between two parts that does to their link what networks do: it goes silent one way or both, gets slow,
 * is reset.
 *
 * A silent direction is a hole that swallows packets: nothing comes through, and neither side is told. TCP repeats
 * what was lost, so the bytes arrive when the link heals, unless one of the sides has given the connection up before.
 * Therefore a silent direction is one that is not read from. A cut link is what a firewall does that answers:
 * connections are reset, and new ones are refused at once.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** To the server, to the client, or both ways. */
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

  /** Connections that are open now. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Nothing comes through in a direction any more, and nobody is told. */
  silence(direction: LinkDirection): void {
    this.silent = direction;
    for (const pair of this.pairs) this.apply(pair);
  }

  /** Resets all connections and refuses new ones. */
  cut(): void {
    this.isCut = true;
    this.reset();
  }

  /** Resets all connections; new ones come through. */
  reset(): void {
    for (const { client, server } of [...this.pairs]) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Every byte is passed on that many ms later, in each direction. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Everything comes through again; what waited goes on first. */
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
      // A side that is gone while its direction is silent is news that must not get through either.
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
