import path from "node:path";
import { readJson } from "../processes/atomic-file";
import { isAlive, type ProcessIdentity } from "../processes/identity";
import { readHolder } from "../processes/lock-file";

/** One node of `cluster.json`. */
interface NodeEntry {
  nodeId: string;
  pid: number;
}

/** Content of `cluster.json`: where a running cluster is. Stores without a pid are not ours. */
export interface ClusterInfo {
  /** `http://host:port` of the first api. */
  api: string;
  /** `ws` is a URL, `tcp` is `host:port`. */
  gateways: (NodeEntry & { ws: string; tcp: string })[];
  workers: NodeEntry[];
  archivers: NodeEntry[];
  apis: (NodeEntry & { http: string })[];
  /** URLs carry credentials. */
  nats: { url: string; pid?: number }[];
  redis: { url: string; pid?: number };
  mysql: { url: string; pid?: number };
}

/** Names of what lies in a data directory. */
export const clusterFiles = {
  cluster: (directory: string) => path.join(directory, "cluster.json"),
  config: (directory: string) => path.join(directory, "carillon.json"),
  /** Held by the living supervisor; says `ready` when all runs. */
  supervisor: (directory: string) => path.join(directory, "supervisor.json"),
  log: (directory: string) => path.join(directory, "logs", "carillon.log"),
  /** One file per process we started: pid and start time. */
  processes: (directory: string) => path.join(directory, "run"),
};

/** What `--fresh` removes beside the logs. Unpacked servers stay: they belong to the checkout, not to a cluster. */
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
];

/** A supervisor that lives. */
export interface RunningSupervisor {
  identity: ProcessIdentity;
  ready: boolean;
}

/** The living supervisor of a data directory, if there is one. */
export function findSupervisor(directory: string): RunningSupervisor | undefined {
  const file = clusterFiles.supervisor(directory);
  const identity = readHolder(file);
  return identity !== undefined && isAlive(identity)
    ? { identity, ready: readJson<{ ready?: boolean }>(file)?.ready === true }
    : undefined;
}

/** The content of `cluster.json`. */
export function readClusterInfo(directory: string): ClusterInfo | undefined {
  return readJson<ClusterInfo>(clusterFiles.cluster(directory));
}

/**
 * Every address of a cluster, a line each, for people.
 * @param showsSecrets whether the addresses of the stores have their passwords
 */
export function describeCluster(directory: string, info: ClusterInfo, showsSecrets: boolean): string[] {
  const shown = (url: string) => (showsSecrets ? url : withoutPassword(url));
  return [
    `  api       ${info.apis.map((each) => each.http).join("  ") || info.api}`,
    ...info.gateways.map((each) => `  ${each.nodeId.padEnd(9)} ${each.ws}  tcp ${each.tcp}`),
    `  nats      ${info.nats.map((each) => shown(each.url)).join("  ")}`,
    `  redis     ${shown(info.redis.url)}`,
    `  mysql     ${shown(info.mysql.url)}`,
    `  logs      ${path.join(directory, "logs")}`,
    `  data      ${directory}`,
  ];
}

/** A user without a password may be a token, and a password that was not encoded may have any sign in it. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, "//");
}
