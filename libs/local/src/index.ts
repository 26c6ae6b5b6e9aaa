export { findCheckout } from "./checkout.js";
export { ProcessGuard } from "./processes/guard.js";
export type { ExitReason } from "./processes/managed-process.js";
export { ProvisionError, provisionServer, type ServerBinaries, type ServerName } from "./provision/provision.js";
export { type MariadbOptions, type MariadbServer, startMariadb } from "./servers/mariadb.js";
export { type NatsOptions, type NatsServer, startNats } from "./servers/nats.js";
export type { LocalServer, ServerOptions } from "./servers/options.js";
export { type RedisOptions, startRedis } from "./servers/redis.js";
