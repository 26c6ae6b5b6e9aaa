/** Nodes for tests, in this process and as processes of their own, on one real NATS with short times. */
import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { type Coordination, type NodeDescription, openCoordination, type Timings } from "@carillon/coordination";
import { type TestServers, until as waitUntil } from "@carillon/testkit";
import { connect, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import type { ProcessOrder } from "./fixtures/node-process";
import type { Visit } from "./fixtures/visit-process";

export const TIMINGS: Timings = {
  ttlMs: 2_000,
  renewMs: 500,
  listMs: 500,
  heartbeatMs: 100,
  suspectMs: 600,
  graceMs: 5_000,
  jitterMs: 200,
  requestMs: 1_000,
};

const ignore = () => {};
const LOGGER = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export class TestNode {
  /** Names of the nodes after each change of the view. */
  readonly history: string[][] = [];

  constructor(
    readonly coordination: Coordination,
    readonly connection: NatsConnection,
  ) {
    coordination.view.onChange(() => this.history.push(this.names()));
  }

  names(): string[] {
    return this.coordination.view.nodes().map(({ nodeId }) => nodeId);
  }
}

/** A node as a process. */
export class NodeProcess {
  readonly events: string[] = [];

  constructor(readonly child: ChildProcess) {
    child.on("message", (event) => this.events.push(String(event)));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export class Cluster {
  private readonly nodes: TestNode[] = [];
  private readonly processes: NodeProcess[] = [];

  constructor(private readonly servers: TestServers<{ nats: true }>) {}

  async open(): Promise<TestNode> {
    const connection = await connect(this.serverOptions());
    const coordination = await openCoordination({ ...TIMINGS, connection, logger: LOGGER });
    await coordination.view.ready();
    const node = new TestNode(coordination, connection);
    this.nodes.push(node);
    return node;
  }

  spawn(node: NodeDescription): NodeProcess {
    const child = this.fork("node-process.ts");
    const order: ProcessOrder = { server: this.serverOptions(), timings: TIMINGS, node };
    child.send(order);
    const started = new NodeProcess(child);
    this.processes.push(started);
    return started;
  }

  /** A process that opens, looks and closes. @returns its exit code @throws Error when it does not end */
  async visit(stayMs: number): Promise<number | null> {
    const child = this.fork("visit-process.ts");
    const visitor = new NodeProcess(child);
    this.processes.push(visitor);
    const visit: Visit = { server: this.serverOptions(), timings: TIMINGS, stayMs };
    child.send(visit);
    await until(() => child.exitCode !== null || child.signalCode !== null);
    return child.exitCode;
  }

  /** Ends all nodes; NATS goes on, with no node known. */
  async end(): Promise<void> {
    for (const { child } of this.processes.splice(0)) child.kill("SIGKILL");
    for (const { coordination, connection } of this.nodes.splice(0)) {
      await coordination.close();
      await connection.close();
    }
    const connection = await connect(this.serverOptions());
    for (const stream of ["KV_nodes", "KV_partitions", "KV_leases"]) {
      await connection.request(`$JS.API.STREAM.DELETE.${stream}`).catch(ignore);
    }
    await connection.close();
  }

  private fork(fixture: string): ChildProcess {
    const fixtures = path.join(__dirname, "fixtures");
    return fork(path.join(fixtures, fixture), {
      execArgv: ["--import", require.resolve("tsx")],
      env: { ...process.env, TSX_TSCONFIG_PATH: path.join(fixtures, "tsconfig.json") },
    });
  }

  private serverOptions(): NodeConnectionOptions {
    const { server, user, password } = this.servers.nats;
    return { servers: server, user, pass: password, maxReconnectAttempts: -1, reconnectTimeWait: 100 };
  }
}

/** Resolves when the condition holds; an error shows its text and what `tell` says. */
export async function until(condition: () => boolean | Promise<boolean>, tell = (): unknown => ""): Promise<void> {
  await waitUntil(`${condition}`, condition).catch((error: Error) => {
    throw new Error(`${error.message} ${JSON.stringify(tell())}`);
  });
}
