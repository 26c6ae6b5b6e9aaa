export { findCheckout } from "./checkout";
export { parseStartArguments, parseStopArguments, START_USAGE, STOP_USAGE } from "./command/arguments";
export { startDetached } from "./command/detach";
export { superviseUntilStopped } from "./command/foreground";
export { findFreePortBlock, findFreePorts, isPortFree } from "./processes/free-port";
export { ProcessGuard } from "./processes/guard";
export { type ExitReason, ManagedProcess } from "./processes/managed-process";
export { ProvisionError, provisionServer, type ServerBinaries, type ServerName } from "./provision/provision";
export {
  type DebianRelease,
  type PackageSet,
  provideDebianPackages,
  type UnpackedPackages,
} from "./provision/unpack";
export { type MariadbOptions, type MariadbServer, startMariadb } from "./servers/mariadb";
export { type NatsClusterPlace, type NatsOptions, type NatsServer, startNats } from "./servers/nats";
export type { LocalServer, ServerOptions } from "./servers/options";
export { probeTcp } from "./servers/probe";
export { type RedisOptions, startRedis } from "./servers/redis";
export { runServer } from "./servers/run-server";
export { renderInfra, renderTemplate } from "./servers/template";
export { type ClusterInfo, describeCluster, findSupervisor, readClusterInfo } from "./supervisor/cluster-file";
export {
  type ClusterOptions,
  DEFAULT_COUNTS,
  natsServersOf,
  OptionsError,
  type Role,
  type RoleCounts,
  type Stores,
} from "./supervisor/cluster-options";
export { type LocalCertificates, makeCertificates } from "./supervisor/local-authority";
export { usualPartitions } from "./supervisor/secrets";
export {
  AlreadyRunningError,
  PortsTakenError,
  type RunningCluster,
  startCluster,
} from "./supervisor/start-cluster";
export { stopCluster } from "./supervisor/stop-cluster";
