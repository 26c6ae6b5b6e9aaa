import path from "node:path";
import { findCheckout } from "../checkout";
import type { MariadbServer } from "../servers/mariadb";
import type { NatsServer } from "../servers/nats";
import type { LocalServer } from "../servers/options";

/** The kinds of processes that are ours. */
export type Role = "gateway" | "worker" | "archiver" | "api";

export type RoleCounts = Record<Role, number>;

/** How many of each role a plain `npm start` runs. */
export const DEFAULT_COUNTS: RoleCounts = { gateway: 2, worker: 2, archiver: 1, api: 1 };

export const DEFAULT_BASE_PORT = 21_000;

/** Stores that run elsewhere and are used instead of private ones. URLs may carry credentials. */
export interface ExternalStores {
  nats?: string[];
  redis?: string;
  mysql?: string;
}

/** The stores of a cluster; those that run elsewhere are undefined here. */
export interface Stores {
  nats?: NatsServer;
  redis?: LocalServer;
  mysql?: MariadbServer;
}

/** What a cluster on this machine is made of. */
export interface ClusterOptions {
  /** Data, logs, secrets and `cluster.json`; absolute. */
  directory: string;
  /** First of 50 TCP ports. */
  basePort: number;
  counts: RoleCounts;
  /** Number of partitions, taken at the first start only; default: the number of workers. */
  partitions?: number;
  /** Removes all data first. */
  fresh?: boolean;
  external?: ExternalStores;
  /** Program of each role and of the CLI (`init`), where others than the built apps are wanted (tests). */
  entryPoints?: Partial<Record<Role | "cli", string>>;
  /** Further environment of our processes. */
  env?: Record<string, string>;
  /** Further environment of one node, asked for when the stores run: its links may lead through proxies (tests). */
  nodeEnv?: (nodeId: string, stores: Stores) => Record<string, string>;
  /** Also ends the servers at once when this process is killed: for tests, whose data is worth nothing. */
  guardServers?: boolean;
  /** Sizes for machines that run several clusters at a time. */
  small?: boolean;
  /** One line for people on each step and each event. */
  onProgress?: (line: string) => void;
}

/** A wrong choice of options; the message says what is wrong. */
export class OptionsError extends Error {
  override name = "OptionsError";
}

/** The data directory when none is named: `.carillon` of the checkout. */
export function defaultDirectory(): string {
  return path.join(findCheckout(), ".carillon");
}

/** TCP ports of one node or store. */
export interface PortPlan {
  /** One per api process. */
  api: number[];
  gateway: { ws: number; tcp: number }[];
  nats: number;
  natsMonitor: number;
  redis: number;
  mysql: number;
}

const MOST: RoleCounts = { gateway: 15, worker: 64, archiver: 64, api: 10 };

/**
 * Lays the processes out on N..N+49: apis from N, gateways in pairs from N + 10 (WebSocket even, TCP odd), stores
 * from N + 40.
 *
 * @throws OptionsError when counts or the base port do not fit.
 */
export function planPorts(basePort: number, counts: RoleCounts): PortPlan {
  if (!Number.isInteger(basePort) || basePort < 1024 || basePort > 65_486) {
    throw new OptionsError(`the base port must be between 1024 and 65486, and is ${basePort}`);
  }
  for (const role of Object.keys(MOST) as Role[]) {
    const count = counts[role];
    if (!Number.isInteger(count) || count < 0 || count > MOST[role]) {
      throw new OptionsError(`the 50 ports of a cluster have room for 0 to ${MOST[role]} ${role}s, not ${count}`);
    }
  }
  return {
    api: Array.from({ length: counts.api }, (_, i) => basePort + i),
    gateway: Array.from({ length: counts.gateway }, (_, i) => gatewayPorts(basePort, i)),
    nats: basePort + 40,
    natsMonitor: basePort + 41,
    redis: basePort + 42,
    mysql: basePort + 43,
  };
}

/** The pair of ports of gateway number `index`, counted from 0. */
export function gatewayPorts(basePort: number, index: number): { ws: number; tcp: number } {
  return { ws: basePort + 10 + 2 * index, tcp: basePort + 11 + 2 * index };
}

/** All ports that a cluster will listen on, without those of external stores. */
export function portsInPlan(plan: PortPlan, external: ExternalStores): number[] {
  return [
    ...plan.api,
    ...plan.gateway.flatMap(({ ws, tcp }) => [ws, tcp]),
    ...(external.nats === undefined ? [plan.nats, plan.natsMonitor] : []),
    ...(external.redis === undefined ? [plan.redis] : []),
    ...(external.mysql === undefined ? [plan.mysql] : []),
  ];
}
