import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { provisionServer } from "../provision/provision";
import type { LocalServer, ServerOptions } from "./options";
import { probeTcp } from "./probe";
import { randomPassword, runServer } from "./run-server";
import { renderInfra } from "./template";

export interface RedisOptions extends ServerOptions {
  /** Maximum memory, such as `512mb`, the default. */
  maxMemory?: string;
  /** Whether it is a node of a Redis Cluster; for tests, because Carillon refuses one. */
  isCluster?: boolean;
}

/** Starts a private redis-server with an append-only file and waits until it answers PING. */
export async function startRedis(options: RedisOptions): Promise<LocalServer> {
  const { directory } = options;
  const binaries = options.binaries ?? (await provisionServer("redis"));
  const password = options.password ?? randomPassword();
  return runServer(options, 1, async (ports) => {
    const port = options.port ?? ports[0]!;
    const config = path.join(directory, "redis.conf");
    const dataDirectory = path.join(directory, "data");
    mkdirSync(dataDirectory, { recursive: true });
    const values = {
      port,
      password,
      dataDirectory,
      maxMemory: options.maxMemory ?? "512mb",
      accounts: options.accounts ?? "",
    };
    writeFileSync(config, renderInfra("redis.conf", values), { mode: 0o600 });
    return {
      address: {
        url: `${options.tls === undefined ? "redis" : "rediss"}://:${password}@127.0.0.1:${port}`,
        port,
        password,
      },
      plan: {
        name: "redis",
        command: binaries.server,
        args: [
          config,
          ...(options.isCluster === true ? ["--cluster-enabled", "yes"] : []),
          ...encryption(options.tls, port),
        ],
        env: binaries.env,
        cwd: directory,
        output: options.logFile ?? path.join(directory, "server.log"),
        isReady: () =>
          probeTcp(
            port,
            `AUTH ${password}\r\nPING\r\n`,
            (answer) => answer.includes("+PONG"),
            options.tls !== undefined,
          ),
        readyTimeoutMs: 60_000,
        stopGraceMs: 10_000,
      },
    };
  });
}

function encryption(tls: ServerOptions["tls"], port: number): string[] {
  if (tls === undefined) return [];
  const files = ["--tls-cert-file", tls.certFile, "--tls-key-file", tls.keyFile, "--tls-auth-clients", "no"];
  return ["--port", "0", "--tls-port", `${port}`, ...files];
}
