import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { tryLock, unlock } from "@carillon/base/process-lock";
import { isPortFree } from "../processes/free-port";
import { findPortOwner } from "../processes/port-owner";
import { type ClusterInfo, clusterFiles, DATA_ENTRIES } from "./cluster-file";
import {
  type ClusterOptions,
  type ExternalStores,
  type PortPlan,
  planPorts,
  portsInPlan,
  type Role,
  type Stores,
} from "./cluster-options";
import { endLeftovers } from "./leftovers";
import { fixPartitions, loadSecrets } from "./secrets";
import { Supervisor } from "./supervisor";

/** A cluster that this process supervises. */
export interface RunningCluster {
  directory: string;
  /** Returns the present content of `cluster.json`; pids change with restarts. */
  info(): ClusterInfo;
  /** The private stores, for tests that pause or kill them. */
  servers: Stores;
  /** Stops one node (`worker-1`) or store (`mysql`) until `startNode`. */
  stopNode(name: string): Promise<void>;
  startNode(name: string): Promise<void>;
  /** Starts one more process of a role; resolves to its node id. */
  addNode(role: Role): Promise<string>;
  /** Continues the common log in a new file, after another program has renamed the old one. */
  reopenLog(): void;
  /** Drains and stops everything; no process lives afterwards. */
  stop(): Promise<void>;
}

/** Another supervisor holds the data directory. */
export class AlreadyRunningError extends Error {
  override name = "AlreadyRunningError";
  constructor(
    readonly directory: string,
    readonly pid: number,
  ) {
    super(`a cluster runs already in ${directory} (supervisor pid ${pid})`);
  }
}

/** Some ports are taken; the message names each with its owner. */
export class PortsTakenError extends Error {
  override name = "PortsTakenError";
}

/**
 * Starts a cluster and resolves when all of it is ready. It first stops processes that an earlier supervisor left behind.
 *
 * @param signal cancels the start; everything that was started is stopped before it rejects
 * @throws OptionsError, AlreadyRunningError, PortsTakenError, ProvisionError, or an Error with the last lines of the
 *   process that did not start. Then nothing runs.
 */
export async function startCluster(options: ClusterOptions, signal?: AbortSignal): Promise<RunningCluster> {
  const { directory } = options;
  const say = options.onProgress ?? (() => {});
  const ports = planPorts(options.basePort, options.counts, options.natsServers);
  makePrivate(directory);
  const lock = clusterFiles.supervisor(directory);
  const holder = await tryLock(lock);
  if (holder !== undefined) {
    throw new AlreadyRunningError(directory, holder.pid);
  }
  let supervisor: Supervisor | undefined;
  const abort = () => void supervisor?.stop();
  try {
    rmSync(clusterFiles.cluster(directory), { force: true });
    await endLeftovers(directory, say);
    await checkPorts(ports, options.external ?? {});
    if (options.fresh === true) {
      removeData(directory);
    }
    supervisor = new Supervisor(options, ports, loadSecrets(directory), fixPartitions(options));
    signal?.addEventListener("abort", abort);
    signal?.throwIfAborted();
    await supervisor.start();
  } catch (error) {
    await supervisor?.stop();
    await unlock(lock);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return describe(directory, supervisor, lock);
}

/**
 * Keeps files private: the data directory contains messages in plain text and secrets, so no other user of the machine may read
 * the files of this process and its children.
 */
function makePrivate(directory: string): void {
  process.umask(0o077);
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
}

function describe(directory: string, supervisor: Supervisor, lock: string): RunningCluster {
  return {
    directory,
    info: () => supervisor.info(),
    servers: supervisor.servers,
    reopenLog: () => supervisor.reopenLog(),
    stopNode: (name) => supervisor.keeper(name).stop(),
    startNode: (name) => supervisor.keeper(name).start(),
    addNode: (role) => supervisor.addNode(role),
    stop: async () => {
      await supervisor.stop();
      await unlock(lock);
    },
  };
}

/** Refuses the start when ports of the plan are taken, and names each port with its process. */
async function checkPorts(ports: PortPlan, external: ExternalStores): Promise<void> {
  const taken: string[] = [];
  for (const port of portsInPlan(ports, external)) {
    if (!(await isPortFree(port))) {
      const owner = findPortOwner(port);
      taken.push(
        `port ${port} is in use by ${owner === undefined ? "a process of another user" : `pid ${owner.pid} (${owner.command})`}`,
      );
    }
  }
  if (taken.length > 0) {
    throw new PortsTakenError(`${taken.join("\n")}\nchoose other ports with --base-port N`);
  }
}

function removeData(directory: string): void {
  for (const entry of DATA_ENTRIES) {
    rmSync(path.join(directory, entry), { recursive: true, force: true });
  }
  const logs = path.join(directory, "logs");
  // A detached supervisor writes its own log already.
  const old = existsSync(logs) ? readdirSync(logs).filter((name) => name !== "supervisor.log") : [];
  for (const name of old) {
    rmSync(path.join(logs, name), { force: true });
  }
}
