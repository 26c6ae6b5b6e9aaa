/** The links between Carillon's processes and the stores. Each link is a proxy of its own, so that a fault can hit any of them. */
import type { Role, RoleCounts, Stores } from "@carillon/local";
import { TcpProxy } from "@carillon/testkit";

export type Store = "nats" | "redis" | "mysql";

const STORES: readonly Store[] = ["nats", "redis", "mysql"];

/** Where the stores of a local cluster listen, from its base port (infra/local, planPorts). */
const PORTS: Record<Store, number> = { nats: 40, redis: 42, mysql: 43 };

export class Links {
  private constructor(private readonly proxies: ReadonlyMap<string, TcpProxy>) {}

  /** The links of a run without proxies. */
  static direct(): Links {
    return new Links(new Map());
  }

  /** Opens a proxy for each link of each node in a cluster with these counts. */
  static async open(basePort: number, counts: RoleCounts): Promise<Links> {
    const proxies = new Map<string, TcpProxy>();
    for (const [role, count] of Object.entries(counts)) {
      for (let number = 1; number <= count; number++) {
        for (const store of STORES) {
          const target = { host: "127.0.0.1", port: basePort + PORTS[store] };
          proxies.set(`${role}-${number} ${store}`, await TcpProxy.open(target));
        }
      }
    }
    return new Links(proxies);
  }

  /** Returns the settings that lead a node over its own links. */
  environment(nodeId: string, stores: Stores): Record<string, string> {
    const port = (store: Store) => this.proxies.get(`${nodeId} ${store}`)?.port;
    if (port("nats") === undefined) return {};
    const moved = (url: string, store: Store) => {
      const address = new URL(url);
      address.port = String(port(store));
      return address.toString();
    };
    return {
      CARILLON_NATS_SERVERS: `nats://127.0.0.1:${port("nats")}`,
      CARILLON_REDIS_URL: moved(stores.redis!.url, "redis"),
      CARILLON_MYSQL_URL: moved(stores.mysql!.url, "mysql"),
    };
  }

  /** Returns the links of a role to a store, by name. */
  between(role: Role, store: Store): { on: string; proxy: TcpProxy }[] {
    return [...this.proxies]
      .filter(([name]) => name.startsWith(`${role}-`) && name.endsWith(` ${store}`))
      .map(([name, proxy]) => ({ on: name.replace(" ", " to "), proxy }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.proxies.values()].map((proxy) => proxy.close()));
  }
}
