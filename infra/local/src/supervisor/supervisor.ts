import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { identifyProcess } from "@carillon/base/process-lock";
import { findCheckout } from "../checkout";
import { writeJsonAtomically } from "../processes/atomic-file";
import { ProcessGuard } from "../processes/guard";
import { LogFile } from "../processes/log-file";
import { AppProcess } from "./app-process";
import { type ClusterInfo, clusterFiles } from "./cluster-file";
import {
  type ClusterOptions,
  gatewayPorts,
  natsServersOf,
  type PortPlan,
  type Role,
  type Stores,
} from "./cluster-options";
import { FullDiskWatch } from "./full-disk-watch";
import { Keeper } from "./keeper";
import { endLeftovers, forgetProcesses, recordProcess } from "./leftovers";
import { type LocalCertificates, makeCertificates } from "./local-authority";
import { keptAuth, type Secrets } from "./secrets";
import { renderAppSettings, startStores } from "./stores";

/** After a kill of the supervisor its processes have this time, s, before a shell that outlives it kills them. */
const ORPHAN_GRACE_SECONDS = 4.7;

/**
 * Runs everything of one cluster, and keeps it running.
 *
 * Order of the start: stores, then one run of `init` (streams, layout, tables), then Carillon's processes together. Order of the
 * stop: gateways, workers, archivers, apis, then MariaDB, Redis, NATS, so that draining processes find everything they need.
 *
 * Edge cases. `stop` may come at any time, also in the middle of `start`: it marks the cluster as unwanted, stops all known
 * units, and at last ends all recorded processes. A process whose program is not built is left out with a message.
 */
export class Supervisor {
  private readonly log: LogFile;
  private readonly appGuard = new ProcessGuard(ORPHAN_GRACE_SECONDS);
  private readonly serverGuard: ProcessGuard | undefined;
  private readonly keepers = new Map<string, Keeper>();
  private readonly apps = new Map<string, AppProcess>();
  private stores: Stores = {};
  /** Undefined without TLS. */
  private certificates: LocalCertificates | undefined;
  private readonly diskWatches: FullDiskWatch[] = [];
  private starting: Promise<void> | undefined;
  private stopped: Promise<void> | undefined;

  constructor(
    private readonly options: ClusterOptions,
    private readonly ports: PortPlan,
    private readonly secrets: Secrets,
    private readonly partitions: number,
  ) {
    this.log = new LogFile(clusterFiles.log(options.directory));
    this.serverGuard = options.guardServers === true ? new ProcessGuard() : undefined;
  }

  /** Starts everything and resolves when all is ready. After a failure the caller must call `stop`. */
  start(): Promise<void> {
    this.starting = this.bringUp();
    return this.starting;
  }

  /** Drains and stops everything. No started process lives when it resolves. Calling it again changes nothing. */
  stop(): Promise<void> {
    this.stopped ??= this.bringDown();
    return this.stopped;
  }

  reopenLog(): void {
    this.log.reopen();
  }

  /** Reports a line to people and writes it to the common log. */
  say(line: string): void {
    this.options.onProgress?.(line);
    this.log.write(JSON.stringify({ level: 30, time: new Date().toISOString(), role: "supervisor", msg: line }));
  }

  /** Returns the present cluster: the content of `cluster.json`. */
  info(): ClusterInfo {
    const external = this.options.external ?? {};
    const { nats, redis, mysql } = this.stores;
    const allNats = natsServersOf(this.stores);
    const nodes = (role: Role) => [...this.apps.values()].filter((each) => each.app.role === role && each.pid);
    const entry = (each: AppProcess) => ({ nodeId: each.name, pid: each.pid! });
    const api = `http://127.0.0.1:${this.ports.api[0] ?? this.options.basePort}`;
    const apis = nodes("api").map((each) => ({ ...entry(each), http: each.addresses.http ?? api }));
    return {
      api: apis[0]?.http ?? api,
      ...(this.certificates === undefined ? {} : { caFile: this.certificates.caFile }),
      gateways: nodes("gateway").map((each) => {
        const { ws, tcp } = gatewayPorts(this.options.basePort, Number(each.name.split("-")[1]) - 1);
        const { addresses } = each;
        return {
          ...entry(each),
          ws: addresses.ws ?? `ws://127.0.0.1:${ws}`,
          tcp: addresses.tcp ?? `127.0.0.1:${tcp}`,
          udp: addresses.udp ?? `127.0.0.1:${tcp}`,
        };
      }),
      workers: nodes("worker").map(entry),
      archivers: nodes("archiver").map(entry),
      apis,
      nats:
        nats === undefined
          ? (external.nats ?? []).map((url) => ({ url }))
          : allNats.map(({ url, pid }) => ({ url, pid })),
      redis: redis === undefined ? { url: external.redis ?? "" } : { url: redis.url, pid: redis.pid },
      mysql: mysql === undefined ? { url: external.mysql ?? "" } : { url: mysql.url, pid: mysql.pid },
    };
  }

  /** The private stores. */
  get servers(): Stores {
    return this.stores;
  }

  /** Returns the keeper of a node (`worker-1`) or store (`nats`), with which it can be stopped and started alone. */
  keeper(name: string): Keeper {
    const keeper = this.keepers.get(name);
    if (keeper === undefined) {
      throw new Error(`no ${name} in this cluster, only ${[...this.keepers.keys()].join(", ")}`);
    }
    return keeper;
  }

  /** Starts one more process of a role and resolves to its node id when it is ready. */
  async addNode(role: Role): Promise<string> {
    const number = 1 + [...this.apps.values()].filter((each) => each.app.role === role).length;
    const keeper = this.prepareNode(role, number);
    if (keeper === undefined) {
      throw new Error(`${this.entryPoint(role)} is not built`);
    }
    await keeper.start();
    return keeper.unit.name;
  }

  private async bringUp(): Promise<void> {
    const { options } = this;
    this.stores = await startStores({
      options,
      ports: this.ports,
      secrets: this.secrets,
      partitions: this.partitions,
      guard: this.serverGuard,
      say: (line) => this.say(line),
      onSpawn: (name, identity) => recordProcess(options.directory, name, identity),
    });
    this.throwIfStopping();
    const { redis, mysql } = this.stores;
    for (const server of [...natsServersOf(this.stores), redis, mysql]) {
      if (server !== undefined) {
        const keeper = this.addKeeper(server.name, server);
        keeper.adopt();
      }
    }
    this.watchDisks();
    if (options.tls === true) this.certificates = await makeCertificates(clusterFiles.tls(options.directory));
    const auth = keptAuth(options.directory) ?? { secret: this.secrets.auth };
    const settings = renderAppSettings(this.stores, options, { ...this.secrets, auth }, this.certificates);
    writeJsonAtomically(clusterFiles.config(options.directory), settings);
    await this.initialise();
    this.throwIfStopping();
    const roles: Role[] = ["worker", "archiver", "api", "gateway"];
    const keepers = roles.flatMap((role) => {
      const missing = options.counts[role] > 0 && !existsSync(this.entryPoint(role));
      if (missing) {
        this.say(`${role} is left out: ${this.entryPoint(role)} is not built`);
      }
      return missing ? [] : Array.from({ length: options.counts[role] }, (_, i) => this.prepareNode(role, i + 1)!);
    });
    await Promise.all(
      keepers.map(async (keeper) => {
        await keeper.start();
        this.say(`${keeper.unit.name} is ready (pid ${keeper.unit.pid})`);
      }),
    );
    this.throwIfStopping();
    this.writeInfo();
    const self = identifyProcess(process.pid);
    writeJsonAtomically(clusterFiles.supervisor(options.directory), { ...self, ready: true });
  }

  private async bringDown(): Promise<void> {
    const { directory } = this.options;
    this.say("stopping");
    for (const watch of this.diskWatches) watch.stop();
    const stopAll = (names: string[]) => Promise.all(names.map((name) => this.keepers.get(name)?.stop()));
    for (const role of ["gateway", "worker", "archiver", "api"] as const) {
      await stopAll([...this.apps.values()].filter((each) => each.app.role === role).map((each) => each.name));
    }
    for (const servers of [["mysql"], ["redis"], natsServersOf(this.stores).map(({ name }) => name)]) {
      await stopAll(servers);
    }
    // A cancelled start may be between spawning a server and passing it on.
    await endLeftovers(directory, () => {});
    await this.starting?.catch(() => {});
    await endLeftovers(directory, () => {});
    forgetProcesses(directory);
    await Promise.all([this.serverGuard?.release(), this.appGuard.release()]);
    rmSync(clusterFiles.cluster(directory), { force: true });
    this.say("stopped");
    this.log.close();
  }

  /**
   * Restarts NATS after a full disk: NATS refuses writes for ever, although all records are intact, until it is restarted with
   * room.
   */
  private watchDisks(): void {
    for (const { name, directory } of natsServersOf(this.stores)) {
      const logFile = path.join(this.options.directory, "logs", `${name}.log`);
      const watch = new FullDiskWatch(logFile, directory, {
        onFull: () => this.say(`${name}: the disk is full; it will be restarted when there is space again`),
        onSpace: async () => {
          this.say(`${name}: there is space again, restarting it`);
          await this.keeper(name).restart();
        },
      });
      this.diskWatches.push(watch);
    }
  }

  private throwIfStopping(): void {
    if (this.stopped !== undefined) {
      throw new Error("stopped while starting");
    }
  }

  private addKeeper(name: string, unit: ConstructorParameters<typeof Keeper>[0]): Keeper {
    const keeper = new Keeper(
      unit,
      (line) => this.say(line),
      () => this.writeInfo(),
    );
    this.keepers.set(name, keeper);
    return keeper;
  }

  private writeInfo(): void {
    writeJsonAtomically(clusterFiles.cluster(this.options.directory), this.info());
  }

  private entryPoint(role: Role | "cli"): string {
    return this.options.entryPoints?.[role] ?? path.join(findCheckout(), "apps", role, "dist", "main.js");
  }

  private get appEnvironment(): Record<string, string> {
    return { CARILLON_CONFIG: clusterFiles.config(this.options.directory), ...this.options.env };
  }

  private prepareNode(role: Role, number: number): Keeper | undefined {
    const entryPoint = this.entryPoint(role);
    if (!existsSync(entryPoint)) {
      return undefined;
    }
    const { basePort, directory } = this.options;
    const nodeId = `${role}-${number}`;
    const env: Record<string, string> = { ...this.appEnvironment, CARILLON_NODE_ID: nodeId };
    if (role === "gateway") {
      Object.assign(env, this.gatewayEnvironment(gatewayPorts(basePort, number - 1)));
    } else if (role === "api") {
      env["CARILLON_API_PORT"] = String(basePort + number - 1);
    }
    // For several processes on one machine, the node's record names the port of health and metrics.
    env["CARILLON_WORKER_HTTP_PORT"] = "0";
    env["CARILLON_ARCHIVER_HTTP_PORT"] = "0";
    Object.assign(env, this.options.nodeEnv?.(nodeId, this.stores));
    const app = new AppProcess({
      role,
      nodeId,
      entryPoint,
      env,
      cwd: directory,
      writeLog: (line) => this.log.write(line),
      guard: this.appGuard,
      onSpawn: (identity) => recordProcess(directory, nodeId, identity),
    });
    this.apps.set(nodeId, app);
    return this.addKeeper(nodeId, app);
  }

  private gatewayEnvironment({ ws, tcp }: { ws: number; tcp: number }): Record<string, string> {
    if (this.certificates === undefined) {
      return {
        CARILLON_GATEWAY_WS_PORT: String(ws),
        CARILLON_GATEWAY_TCP_PORT: String(tcp),
        CARILLON_GATEWAY_UDP_PORT: String(tcp),
      };
    }
    const { certFile, keyFile } = this.certificates;
    const shared = { host: "127.0.0.1", tls: { certFile, keyFile } };
    const listeners = [
      { transport: "tcp", port: tcp, ...shared },
      { transport: "ws", port: ws, ...shared },
      { transport: "udp", port: tcp, host: shared.host },
    ];
    return { CARILLON_GATEWAY_LISTENERS: JSON.stringify(listeners) };
  }

  /** Creates streams, layout and tables through the CLI; running it again changes nothing. */
  private async initialise(): Promise<void> {
    const program = this.entryPoint("cli");
    if (!existsSync(program)) {
      this.say(`streams and tables are left as they are: ${program} is not built`);
      return;
    }
    this.say("preparing streams and tables");
    const args = [program, "init", "--partitions", String(this.partitions)];
    const env = { ...process.env, ...this.appEnvironment };
    await new Promise<void>((resolve, reject) => {
      const child = execFile(process.execPath, args, { env, timeout: 120_000 }, (error, stdout, stderr) => {
        const output = (stdout + stderr).trim();
        for (const line of output.split("\n").filter(Boolean)) {
          this.log.write(line.startsWith("{") ? line : JSON.stringify({ level: 30, role: "init", msg: line }));
        }
        if (error === null) {
          resolve();
        } else {
          reject(new Error(`streams and tables could not be prepared:\n${output || error.message}`));
        }
      });
      const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
      if (identity !== undefined) {
        this.appGuard.watch(identity);
        recordProcess(this.options.directory, "init", identity);
      }
    });
  }
}
