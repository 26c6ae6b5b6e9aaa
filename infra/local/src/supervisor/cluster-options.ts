import path from "node:path";
import { findCheckout } from "../checkout";
import type { MariadbServer } from "../servers/mariadb";
import type { NatsServer } from "../servers/nats";
import type { LocalServer } from "../servers/options";

/** The roles of Carillon's processes. */
export type Role = "gateway" | "worker" | "archiver" | "api";

export type RoleCounts = Record<Role, number>;

/** Number of processes of each role that a plain `npm start` runs. */
export const DEFAULT_COUNTS: RoleCounts = { gateway: 2, worker: 2, archiver: 1, api: 1 };

export const DEFAULT_BASE_PORT = 21_000;

/** External stores to use instead of private ones. URLs may contain credentials. */
export interface ExternalStores {
  nats?: string[];
  redis?: string;
  mysql?: string;
}

/** The private stores of a cluster; external stores are undefined here. */
export interface Stores {
  nats?: NatsServer;
  /** The other servers of a NATS cluster: `nats-2`, `nats-3`. */
  natsPeers?: NatsServer[];
  redis?: LocalServer;
  mysql?: MariadbServer;
}

/** Returns all servers of NATS. */
export function natsServersOf({ nats, natsPeers = [] }: Stores): NatsServer[] {
  return nats === undefined ? [] : [nats, ...natsPeers];
}

/** The options of a cluster on this machine. */
export interface ClusterOptions {
  /** Data, logs, secrets and `cluster.json`; absolute. */
  directory: string;
  /** First of 50 TCP ports. */
  basePort: number;
  counts: RoleCounts;
  /** Number of partitions, used at the first start only; default: usualPartitions. */
  partitions?: number;
  /** Removes all data first. */
  fresh?: boolean;
  external?: ExternalStores;
  /** Three: NATS is a cluster with three copies of everything. On one machine this is useful for tests only; default 1. */
  natsServers?: 1 | 3;
  /** Whether NATS fsyncs a message before its sender is told; default true. False also sets `nats.fsync` to false. */
  fsync?: boolean;
  /** Whether gateways and apis encrypt, with certificates of an authority in the data directory. */
  tls?: boolean;
  /** Programs to run instead of the built apps and the CLI (`init`), by role (for tests). */
  entryPoints?: Partial<Record<Role | "cli", string>>;
  /** Further environment of Carillon's processes. */
  env?: Record<string, string>;
  /** Returns further environment of one node when the stores run, so that its links can lead through proxies (for tests). */
  nodeEnv?: (nodeId: string, stores: Stores) => Record<string, string>;
  /** Whether the servers also end at once when this process is killed: for tests, whose data is worthless. */
  guardServers?: boolean;
  /** Whether to use small sizes, for machines that run several clusters at a time. */
  small?: boolean;
  /** Gets one line for people about each step and event. */
  onProgress?: (line: string) => void;
}

/** The options are wrong; the message says how. */
export class OptionsError extends Error {
  override name = "OptionsError";
}

/** The default data directory: `.carillon` of the checkout. */
export function defaultDirectory(): string {
  return path.join(findCheckout(), ".carillon");
}

/** TCP ports of one server of NATS; the last one is for the routes of a cluster. */
export interface NatsPorts {
  client: number;
  monitor: number;
  route: number;
}

/** TCP ports of one node or store. */
export interface PortPlan {
  /** One per api process. */
  api: number[];
  gateway: { ws: number; tcp: number }[];
  nats: NatsPorts[];
  redis: number;
  mysql: number;
}

/** Offsets of the ports of each server of NATS, and of the first route. */
const NATS_PORTS = [40, 44, 46];
const FIRST_ROUTE = 7;

const MOST: RoleCounts = { gateway: 15, worker: 64, archiver: 64, api: 10 };

/**
 * Assigns the ports N..N+49: apis from N, gateways in pairs from N + 10 (WebSocket even, TCP odd), stores
 * from N + 40. Routes of a NATS cluster use the last ports of the apis.
 *
 * @throws OptionsError when counts or the base port do not fit.
 */
export function planPorts(basePort: number, counts: RoleCounts, natsServers = 1): PortPlan {
  if (!Number.isInteger(basePort) || basePort < 1024 || basePort > 65_486) {
    throw new OptionsError(`the base port must be between 1024 and 65486, and is ${basePort}`);
  }
  for (const role of Object.keys(MOST) as Role[]) {
    const count = counts[role];
    if (!Number.isInteger(count) || count < 0 || count > MOST[role]) {
      throw new OptionsError(`the 50 ports of a cluster have room for 0 to ${MOST[role]} ${role}s, not ${count}`);
    }
  }
  if (natsServers > 1 && counts.api > FIRST_ROUTE) {
    throw new OptionsError(`beside a NATS cluster there is room for ${FIRST_ROUTE} apis, not ${counts.api}`);
  }
  return {
    api: Array.from({ length: counts.api }, (_, i) => basePort + i),
    gateway: Array.from({ length: counts.gateway }, (_, i) => gatewayPorts(basePort, i)),
    nats: NATS_PORTS.slice(0, natsServers).map((offset, i) => ({
      client: basePort + offset,
      monitor: basePort + offset + 1,
      route: basePort + FIRST_ROUTE + i,
    })),
    redis: basePort + 42,
    mysql: basePort + 43,
  };
}

/** The pair of ports of gateway number `index`, counted from 0; UDP uses the number of TCP. */
export function gatewayPorts(basePort: number, index: number): { ws: number; tcp: number } {
  return { ws: basePort + 10 + 2 * index, tcp: basePort + 11 + 2 * index };
}

/** All ports on which a cluster will listen, without those of external stores. */
export function portsInPlan(plan: PortPlan, external: ExternalStores): number[] {
  return [
    ...plan.api,
    ...plan.gateway.flatMap(({ ws, tcp }) => [ws, tcp]),
    ...(external.nats === undefined ? plan.nats.flatMap(({ client, monitor }) => [client, monitor]) : []),
    ...(external.nats === undefined && plan.nats.length > 1 ? plan.nats.map(({ route }) => route) : []),
    ...(external.redis === undefined ? [plan.redis] : []),
    ...(external.mysql === undefined ? [plan.mysql] : []),
  ];
}
