export { findCheckout } from "./checkout.js";
export { parseStartArguments, parseStopArguments, START_USAGE, STOP_USAGE } from "./command/arguments.js";
export { startDetached } from "./command/detach.js";
export { superviseUntilStopped } from "./command/foreground.js";
export { findFreePortBlock } from "./processes/free-port.js";
export { ProcessGuard } from "./processes/guard.js";
export type { ExitReason } from "./processes/managed-process.js";
export { ProvisionError, provisionServer, type ServerBinaries, type ServerName } from "./provision/provision.js";
export { type MariadbOptions, type MariadbServer, startMariadb } from "./servers/mariadb.js";
export { type NatsOptions, type NatsServer, startNats } from "./servers/nats.js";
export type { LocalServer, ServerOptions } from "./servers/options.js";
export { type RedisOptions, startRedis } from "./servers/redis.js";
export { type ClusterInfo, describeCluster, findSupervisor, readClusterInfo } from "./supervisor/cluster-file.js";
export {
  type ClusterOptions,
  DEFAULT_COUNTS,
  OptionsError,
  type Role,
  type RoleCounts,
} from "./supervisor/cluster-options.js";
export {
  AlreadyRunningError,
  PortsTakenError,
  type RunningCluster,
  startCluster,
} from "./supervisor/start-cluster.js";
export { stopCluster } from "./supervisor/stop-cluster.js";
export type { Stores } from "./supervisor/stores.js";
