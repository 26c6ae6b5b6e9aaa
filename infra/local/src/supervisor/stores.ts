import path from "node:path";
import type { ProcessIdentity } from "@carillon/base/process-lock";
import { mysqlUsers, natsUsers, redisUsers } from "@carillon/grants";
import type { ProcessGuard } from "../processes/guard";
import { rotateLargeLog } from "../processes/log-file";
import { provisionServer, type ServerName } from "../provision/provision";
import { DATABASE, startMariadb } from "../servers/mariadb";
import { type NatsOptions, startNats } from "../servers/nats";
import type { ServerOptions } from "../servers/options";
import { startRedis } from "../servers/redis";
import { type ClusterOptions, type NatsPorts, natsServersOf, type PortPlan, type Stores } from "./cluster-options";
import type { LocalCertificates } from "./local-authority";
import type { Secrets } from "./secrets";

export interface StoreContext {
  options: ClusterOptions;
  ports: PortPlan;
  secrets: Secrets;
  partitions: number;
  /** Set when the servers must die with this process. */
  guard: ProcessGuard | undefined;
  say: (line: string) => void;
  onSpawn: (name: string, identity: ProcessIdentity) => void;
}

/** Provides the private stores one after the other, and starts them together. */
export async function startStores(context: StoreContext): Promise<Stores> {
  const { options, ports, secrets, say } = context;
  const accounts = renderAccounts(context);
  const external = options.external ?? {};
  const small = options.small === true;
  const prepared = async (store: "nats" | "redis" | "mysql", provision: ServerName) => {
    const binaries = await provisionServer(provision, { onProgress: say });
    say(`starting ${path.basename(binaries.server)} ${binaries.version}`);
    return (name: string, port: number): ServerOptions & { name: string } => {
      const logFile = path.join(options.directory, "logs", `${name}.log`);
      rotateLargeLog(logFile);
      return {
        name,
        directory: path.join(options.directory, name),
        port,
        password: secrets[store],
        accounts: accounts[store],
        binaries,
        guard: context.guard,
        onSpawn: (identity) => context.onSpawn(name, identity),
        logFile,
      };
    };
  };
  const nats = external.nats === undefined ? await prepared("nats", "nats") : undefined;
  const redis = external.redis === undefined ? await prepared("redis", "redis") : undefined;
  const mysql = external.mysql === undefined ? await prepared("mysql", "mariadb") : undefined;
  const results = await Promise.allSettled([
    redis && startRedis({ ...redis("redis", ports.redis), maxMemory: small ? "256mb" : "2gb" }),
    mysql &&
      startMariadb({
        ...mysql("mysql", ports.mysql),
        bufferPool: small ? "64M" : "256M",
        logFileSize: small ? "16M" : "64M",
      }),
    ...(nats === undefined
      ? []
      : ports.nats.map((place, i) =>
          startNats({
            ...nats(i === 0 ? "nats" : `nats-${i + 1}`, place.client),
            monitorPort: place.monitor,
            fsync: options.fsync ?? true,
            ...clusterOf(ports.nats, place),
          }),
        )),
  ]);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    throw failed.reason;
  }
  const [first, second, third, ...peers] = results.map((result) => (result as PromiseFulfilledResult<unknown>).value);
  return { redis: first, mysql: second, nats: third, ...(peers.length > 0 && { natsPeers: peers }) } as Stores;
}

/** The accounts of the roles, as each server reads them; of a cluster with an external store nobody could create them all. */
function renderAccounts({ options, secrets, partitions }: StoreContext): Record<"nats" | "redis" | "mysql", string> {
  if (!hasAccounts(options)) return { nats: "", redis: "", mysql: "" };
  return {
    nats: natsUsers(secrets.accounts, partitions).join("\n"),
    redis: redisUsers(secrets.accounts).join("\n"),
    mysql: mysqlUsers(secrets.accounts, DATABASE)
      .map((statement) => `${statement};\n`)
      .join(""),
  };
}

const hasAccounts = ({ external = {} }: ClusterOptions) => Object.values(external).every((each) => each === undefined);

function clusterOf(all: NatsPorts[], { route }: NatsPorts): Pick<NatsOptions, "cluster"> {
  return all.length === 1 ? {} : { cluster: { routePort: route, allRoutePorts: all.map((each) => each.route) } };
}

/** Content of `carillon.json`, the settings file of all Carillon processes. @param auth the secrets that sign tokens */
export function renderAppSettings(
  stores: Stores,
  options: ClusterOptions,
  secrets: Pick<Secrets, "accounts"> & { auth: object },
  certificates?: LocalCertificates,
): object {
  const external = options.external ?? {};
  const nats =
    stores.nats === undefined
      ? externalNats(external.nats!)
      : {
          servers: natsServersOf(stores).map(({ server }) => server),
          user: stores.nats.user,
          password: stores.nats.password,
          monitor: stores.nats.monitor,
          replicas: natsServersOf(stores).length,
          ...(options.fsync === false ? { fsync: false } : {}),
        };
  return {
    mode: "development",
    ...(hasAccounts(options) ? { accounts: secrets.accounts } : {}),
    nats,
    redis: { url: external.redis ?? stores.redis!.url },
    mysql: { url: external.mysql ?? stores.mysql!.url },
    auth: secrets.auth,
    ...(certificates === undefined
      ? {}
      : { api: { tls: { certFile: certificates.certFile, keyFile: certificates.keyFile } } }),
  };
}

/** Separates addresses and credentials, as NATS clients need them; the credentials of the first address count for all. */
function externalNats(urls: string[]): object {
  const parsed = urls.map((url) => new URL(url.includes("://") ? url : `nats://${url}`));
  const { username, password } = parsed[0]!;
  return {
    servers: parsed.map((url) => `nats://${url.host}`),
    ...(username === "" ? {} : { user: decodeURIComponent(username), password: decodeURIComponent(password) }),
    replicas: parsed.length >= 3 ? 3 : 1,
  };
}
