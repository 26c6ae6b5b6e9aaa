import path from "node:path";
import { isAlive, type ProcessIdentity, readHolder } from "@carillon/base/process-lock";
import { readJson } from "../processes/atomic-file";

/** One node of `cluster.json`. */
interface NodeEntry {
  nodeId: string;
  pid: number;
}

/** Content of `cluster.json`: the addresses of a running cluster. Stores without a pid are external. */
export interface ClusterInfo {
  /** `http://host:port` of the first api; `https:` with TLS. */
  api: string;
  /** With TLS: the authority that clients must trust, a PEM file. */
  caFile?: string;
  /** `ws` is a URL; `tcp` is `host:port`, with TLS `tls://host:port`; `udp` is `host:port`. */
  gateways: (NodeEntry & { ws: string; tcp: string; udp: string })[];
  workers: NodeEntry[];
  archivers: NodeEntry[];
  apis: (NodeEntry & { http: string })[];
  /** URLs carry credentials. */
  nats: { url: string; pid?: number }[];
  redis: { url: string; pid?: number };
  mysql: { url: string; pid?: number };
}

/** Names of the entries of a data directory. */
export const clusterFiles = {
  cluster: (directory: string) => path.join(directory, "cluster.json"),
  config: (directory: string) => path.join(directory, "carillon.json"),
  /** The lock of the living supervisor; it contains `ready` when the cluster runs. */
  supervisor: (directory: string) => path.join(directory, "supervisor.json"),
  /** The authority of a cluster with TLS, and its certificate. */
  tls: (directory: string) => path.join(directory, "tls"),
  log: (directory: string) => path.join(directory, "logs", "carillon.log"),
  /** One file per started process: pid and start time. */
  processes: (directory: string) => path.join(directory, "run"),
};

/**
 * The entries that `--fresh` removes besides the logs. Unpacked servers stay, because they belong to the checkout, not to a
 * cluster.
 */
export const DATA_ENTRIES = [
  "nats",
  "nats-2",
  "nats-3",
  "redis",
  "mysql",
  "run",
  "secrets.json",
  "layout.json",
  "carillon.json",
  "cluster.json",
  "tls",
];

/** A living supervisor. */
export interface RunningSupervisor {
  identity: ProcessIdentity;
  ready: boolean;
}

/** Returns the living supervisor of a data directory, if there is one. */
export function findSupervisor(directory: string): RunningSupervisor | undefined {
  const file = clusterFiles.supervisor(directory);
  const identity = readHolder(file);
  return identity !== undefined && isAlive(identity)
    ? { identity, ready: readJson<{ ready?: boolean }>(file)?.ready === true }
    : undefined;
}

/** Reads `cluster.json`. */
export function readClusterInfo(directory: string): ClusterInfo | undefined {
  return readJson<ClusterInfo>(clusterFiles.cluster(directory));
}

/**
 * Returns all addresses of a cluster, one line each, for people.
 * @param showsSecrets whether the addresses of the stores contain their passwords
 */
export function describeCluster(directory: string, info: ClusterInfo, showsSecrets: boolean): string[] {
  const shown = (url: string) => (showsSecrets ? url : withoutPassword(url));
  return [
    `  api       ${info.apis.map((each) => each.http).join("  ") || info.api}`,
    ...info.gateways.map((each) => `  ${each.nodeId.padEnd(9)} ${each.ws}  tcp ${each.tcp}  udp ${each.udp}`),
    `  nats      ${info.nats.map((each) => shown(each.url)).join("  ")}`,
    `  redis     ${shown(info.redis.url)}`,
    `  mysql     ${shown(info.mysql.url)}`,
    `  logs      ${path.join(directory, "logs")}`,
    `  data      ${directory}`,
    ...(info.caFile === undefined
      ? []
      : [`  trust     ${info.caFile}  (Node.js: NODE_EXTRA_CA_CERTS; a browser: import it as an authority)`]),
  ];
}

/**
 * Removes user and password from an address: a user without a password may be a token, and an unencoded password may contain any
 * sign.
 */
function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, "//");
}
