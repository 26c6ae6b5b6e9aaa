import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  findFreePorts,
  type LocalServer,
  type MariadbServer,
  type NatsOptions,
  type NatsServer,
  ProcessGuard,
  startMariadb,
  startNats,
  startRedis,
} from "@carillon/local";

/** The servers that a test needs. */
export interface ServerChoice {
  nats?: boolean;
  /** Two more servers of NATS, which form a cluster with the first one. */
  natsPeers?: boolean;
  redis?: boolean;
  /** Whether Redis is a node of a Redis Cluster. */
  redisIsCluster?: boolean;
  mysql?: boolean;
}

type Chosen<C extends ServerChoice, K extends keyof C, S> = C extends Record<K, true> ? S : S | undefined;

/** The running servers, and the function that stops them. */
export interface TestServers<C extends ServerChoice = ServerChoice> {
  nats: Chosen<C, "nats", NatsServer>;
  natsPeers: Chosen<C, "natsPeers", NatsServer[]>;
  redis: Chosen<C, "redis", LocalServer>;
  mysql: Chosen<C, "mysql", MariadbServer>;
  /** Folder of their data; `stop` removes it. */
  directory: string;
  /** Stops all servers and removes their data. */
  stop(): Promise<void>;
}

/**
 * Starts real servers, empty, each on free loopback ports, for one test file:
 * `beforeAll(async () => { servers = await startServers({ nats: true }); }, 120_000)` and `afterAll(() => servers.stop())`.
 * They end with this process, even after kill -9, and their data is removed.
 *
 * @throws ProvisionError when a server cannot be provided on this machine
 */
export async function startServers<const C extends ServerChoice>(choice: C): Promise<TestServers<C>> {
  const directory = await mkdtemp(path.join(tmpdir(), "carillon-test-"));
  const guard = new ProcessGuard();
  guard.removeFolder(directory);
  const started: LocalServer[] = [];
  const keep = async <S extends LocalServer>(wanted: boolean | undefined, start: () => Promise<S>) => {
    const server = wanted === true ? await start() : undefined;
    if (server !== undefined) {
      started.push(server);
    }
    return server;
  };
  const stop = async () => {
    // The data is removed anyway, so the servers are killed.
    await Promise.all(started.map((server) => server.kill()));
    await guard.release();
    await rm(directory, { recursive: true, force: true });
  };
  const places = choice.natsPeers === true ? await natsPlaces() : [{}];
  const natsServer = (index: number) => () =>
    startNats({ directory: path.join(directory, `nats-${index + 1}`), guard, ...places[index] });
  const results = await Promise.allSettled([
    keep(choice.nats, natsServer(0)),
    keep(choice.redis, () =>
      startRedis({ directory: path.join(directory, "redis"), guard, isCluster: choice.redisIsCluster === true }),
    ),
    keep(choice.mysql, () => startMariadb({ directory: path.join(directory, "mysql"), guard })),
    ...places.slice(1).map((_, index) => keep(true, natsServer(index + 1))),
  ]);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const [nats, redis, mysql, ...peers] = results.map((result) => (result as PromiseFulfilledResult<unknown>).value);
  return { nats, redis, mysql, natsPeers: peers, directory, stop } as TestServers<C>;
}

/** The options that make three servers one cluster. */
async function natsPlaces(): Promise<Pick<NatsOptions, "cluster">[]> {
  const allRoutePorts = await findFreePorts(3);
  return allRoutePorts.map((routePort) => ({ cluster: { routePort, allRoutePorts } }));
}
