import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { provisionServer } from "../provision/provision";
import type { LocalServer, ServerOptions } from "./options";
import { probeHttp } from "./probe";
import { randomPassword, runServer } from "./run-server";
import { renderInfra } from "./template";

export interface NatsOptions extends ServerOptions {
  /** HTTP monitoring port; default: a free one. */
  monitorPort?: number;
  /** Whether a message is on disk before its acknowledgement, or up to a second later; default: before. */
  fsync?: boolean;
  /** Name in messages; default: nats. */
  name?: string;
  /** Makes the server one of several that hold the same streams; default: a single server. */
  cluster?: NatsClusterPlace;
}

/** The place of one server in its cluster. */
export interface NatsClusterPlace {
  /** Port for the routes of the other servers. */
  routePort: number;
  /** Route ports of all servers of the cluster. */
  allRoutePorts: number[];
}

export interface NatsServer extends LocalServer {
  user: string;
  /** `nats://host:port` without credentials; clients take user and password separately. */
  server: string;
  /** `http://host:port` of the monitoring endpoints. */
  monitor: string;
}

const USER = "carillon";

/**
 * Starts a private nats-server with JetStream (with `sync_interval: always` by default) and waits until it is healthy. A server
 * of a cluster is healthy when most of the cluster runs and its own streams are level with the others, so all start together.
 */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const { directory } = options;
  const binaries = options.binaries ?? (await provisionServer("nats"));
  const password = options.password ?? randomPassword();
  let monitor = "";
  const server = await runServer(options, 2, async (ports) => {
    const port = options.port ?? ports[0]!;
    const monitorPort = options.monitorPort ?? ports[1]!;
    monitor = `http://127.0.0.1:${monitorPort}`;
    const config = path.join(directory, "nats.conf");
    const storeDirectory = path.join(directory, "data");
    mkdirSync(storeDirectory, { recursive: true });
    const syncInterval = (options.fsync ?? true) ? "always" : "1s";
    const names = { serverName: `carillon-${port}`, user: USER, password, accounts: options.accounts ?? "" };
    const values = { ...names, port, monitorPort, storeDirectory, syncInterval };
    const { cluster, tls } = options;
    const encryption = tls && `\ntls { cert_file: "${tls.certFile}", key_file: "${tls.keyFile}" }\n`;
    const text = [renderInfra("nats.conf", values), cluster && routesOf(cluster), encryption].join("");
    writeFileSync(config, text, { mode: 0o600 });
    return {
      address: { url: `nats://${USER}:${password}@127.0.0.1:${port}`, port, password },
      plan: {
        name: options.name ?? "nats",
        command: binaries.server,
        args: ["-c", config],
        env: binaries.env,
        cwd: directory,
        output: options.logFile ?? path.join(directory, "server.log"),
        isReady: () => probeHttp(`${monitor}/healthz`),
        readyTimeoutMs: 60_000,
        stopGraceMs: 10_000,
      },
    };
  });
  return Object.assign(server, { user: USER, server: `nats://127.0.0.1:${server.port}`, monitor });
}

function routesOf({ routePort, allRoutePorts }: NatsClusterPlace): string {
  const routes = allRoutePorts.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
  return renderInfra("nats-cluster.conf", { routePort, routes });
}
