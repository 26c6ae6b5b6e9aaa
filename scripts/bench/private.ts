/**
 * Private messages in a closed loop: each client keeps some messages under way and sends the next when its peer has
 * received one. Durable (fsync before SENT), and verified: nothing lost, doubled or out of order at the receivers,
 * and every SENT message in MySQL at the end.
 *
 * The generator is not counted as server. It registers its users straight in the database, signs tokens with the
 * cluster's own secret and raises the rate limits.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { createTokenSigner, silentLogger } from "@carillon/base/node";
import { connectBus, queueStream, readLogState } from "@carillon/bus";
import { buildRing } from "@carillon/coordination";
import { findFreePortBlock, type RunningCluster, startCluster } from "@carillon/local";
import { MysqlStore } from "@carillon/store";
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { createPool } from "mysql2/promise";
import { LoadClient } from "./load-client";
import { readUsage, serverProcesses, type Usage, usageBetween } from "./server-cpu";

const CONTENT_BYTES = 100;
const WARM_UP_SECONDS = 4;
const START_TOGETHER = 50;
const START_EVERY_MS = 250;
const QUIET_MS = 60_000;
const DEVICE = "bench";

export interface PrivateOptions {
  clients: number;
  inFlight: number;
  seconds: number;
  gateways: number;
  workers: number;
  partitions: number;
  json: boolean;
}

const say = (line: string) => process.stderr.write(`${line}\n`);

/** @returns whether everything that was sent arrived as promised */
export async function runPrivate(options: PrivateOptions): Promise<boolean> {
  const directory = mkdtempSync(path.join(tmpdir(), "carillon-bench-"));
  say("starting a cluster; rate limits are raised, users are written to the database, tokens signed with its secret");
  const cluster = await startCluster({
    directory,
    basePort: await findFreePortBlock(50),
    counts: { gateway: options.gateways, worker: options.workers, archiver: 1, api: 1 },
    partitions: options.partitions,
    guardServers: true,
    env: {
      CARILLON_LIMITS_FRAMES_PER_SECOND: "1000000",
      CARILLON_LIMITS_FRAMES_BURST: "1000000",
      CARILLON_LIMITS_MESSAGES_PER_SECOND: "1000000",
      CARILLON_LIMITS_MESSAGES_BURST: "1000000",
      CARILLON_LOG_LEVEL: "warn",
    },
  });
  try {
    const run = new PrivateRun(options, cluster, directory);
    return await run.measure();
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

class PrivateRun {
  private readonly clients: LoadClient[] = [];
  private readonly latencies: Histogram = buildHistogram({ numberOfSignificantValueDigits: 3 });
  private readonly errors: string[] = [];
  private sending = true;
  private measuring = false;
  private sent = 0;
  private acknowledged = 0;
  private received = 0;
  private measured = 0;
  private busy = 0;

  constructor(
    private readonly options: PrivateOptions,
    private readonly cluster: RunningCluster,
    private readonly directory: string,
  ) {}

  async measure(): Promise<boolean> {
    const { seconds } = this.options;
    await this.connect();
    const processes = serverProcesses(this.cluster.info());
    await this.startLoops();
    await this.wait(WARM_UP_SECONDS, "warming up");
    const before = readUsage(processes);
    const startedAt = performance.now();
    this.measuring = true;
    await this.wait(seconds, "measuring");
    this.measuring = false;
    const elapsed = (performance.now() - startedAt) / 1_000;
    const after = readUsage(processes);
    const usage = new Map([...after].map(([kind, end]) => [kind, usageBetween(before.get(kind)!, end)]));
    this.sending = false;
    const archived = await this.awaitQuiet();
    const batches = await this.readBatches();
    for (const client of this.clients) client.close();
    return this.report(usage, elapsed, archived, batches);
  }

  private async connect(): Promise<void> {
    const info = this.cluster.info();
    const { auth, mysql } = JSON.parse(readFileSync(path.join(this.directory, "carillon.json"), "utf8"));
    const store = await MysqlStore.connect({ url: mysql.url, poolSize: 4 }, silentLogger());
    const ring = buildRing(info.gateways.map(({ nodeId }) => ({ nodeId, weight: 1 })));
    const sign = createTokenSigner(auth.secret, 3_600);
    const names = Array.from({ length: this.options.clients & ~1 }, (_, i) => `bench-${i}`);
    say(`connecting ${names.length} clients over TCP`);
    for (const userId of names) {
      await store.accounts.create({ userId, displayName: userId, passwordHash: "none", now: Date.now() });
    }
    await store.close();
    for (const [i, userId] of names.entries()) {
      const gateway = info.gateways.find(({ nodeId }) => nodeId === ring.lookup(userId))!;
      const token = sign({ userId, deviceId: DEVICE, platform: "other", tokenVersion: 1 });
      const client: LoadClient = await LoadClient.open({
        tcp: gateway.tcp,
        userId,
        peerId: names[i ^ 1]!,
        token,
        deviceId: DEVICE,
        events: {
          onReceived: (content) => this.receive(this.clients[i ^ 1]!, content),
          onSent: () => {
            this.acknowledged++;
          },
          onBusy: () => {
            this.busy++;
          },
          onError: (what) => this.errors.push(`${userId}: ${what}`),
        },
      });
      this.clients.push(client);
    }
  }

  /** Group by group: who comes all at once to a cold cluster is told BUSY, and his retries blur the latencies. */
  private async startLoops(): Promise<void> {
    for (let at = 0; at < this.clients.length; at += START_TOGETHER) {
      const group = this.clients.slice(at, at + START_TOGETHER);
      for (const client of group) for (let i = 0; i < this.options.inFlight; i++) this.sendNext(client);
      await new Promise((resolve) => setTimeout(resolve, START_EVERY_MS));
    }
  }

  /** The content tells when it was sent. */
  private sendNext(client: LoadClient): void {
    if (!this.sending) return;
    this.sent++;
    client.send(`${performance.now().toFixed(3)} `.padEnd(CONTENT_BYTES, "x"));
  }

  private receive(sender: LoadClient, content: string): void {
    this.received++;
    if (this.measuring) {
      this.measured++;
      this.latencies.recordValue(Math.max(1, Math.round((performance.now() - Number.parseFloat(content)) * 1_000)));
    }
    this.sendNext(sender);
  }

  private async wait(seconds: number, what: string): Promise<void> {
    for (let second = 1; second <= seconds; second++) {
      const before = this.received;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      say(`${what} ${second}/${seconds} s: ${this.received - before} delivered/s`);
      if (this.errors.length > 0) throw new Error(`the run failed: ${this.errors.slice(0, 3).join("; ")}`);
    }
  }

  /** Waits until everything sent has arrived and is in MySQL. */
  private async awaitQuiet(): Promise<number> {
    const { url } = JSON.parse(readFileSync(path.join(this.directory, "carillon.json"), "utf8")).mysql;
    const pool = createPool({ uri: url });
    const deadline = Date.now() + QUIET_MS;
    let archived = 0;
    while (Date.now() < deadline) {
      const [rows] = await pool.query("SELECT COUNT(*) AS n FROM messages");
      archived = Number((rows as { n: number }[])[0]!.n);
      if (this.received === this.sent && this.acknowledged === this.sent && archived === this.sent) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await pool.end();
    return archived;
  }

  /** How many messages shared a queue batch and a log record: what group commit made of the load. */
  private async readBatches(): Promise<{ perQueueBatch: number; perLogRecord: number }> {
    const { nats } = JSON.parse(readFileSync(path.join(this.directory, "carillon.json"), "utf8"));
    const bus = await connectBus({ settings: { replicas: 1, ...nats }, name: "bench", logger: silentLogger() });
    let [batches, records] = [0, 0];
    for (let partition = 0; partition < this.options.partitions; partition++) {
      batches += (await bus.jsm.streams.info(queueStream(partition))).state.last_seq;
      records += (await readLogState(bus, partition)).lastSeq;
    }
    await bus.close();
    return { perQueueBatch: round(this.sent / batches), perLogRecord: round(this.sent / records) };
  }

  private report(
    usage: Map<string, Usage>,
    elapsed: number,
    archived: number,
    batches: { perQueueBatch: number; perLogRecord: number },
  ): boolean {
    const { sent, acknowledged, received, measured, errors } = this;
    const verified = errors.length === 0 && received === sent && acknowledged === sent && archived === sent;
    const perMessage = (kind: string) => usage.get(kind)!.cpu / measured;
    const total = [...usage.keys()].reduce((sum, kind) => sum + perMessage(kind), 0);
    const percentile = (p: number) => this.latencies.getValueAtPercentile(p) / 1_000;
    const result = {
      scenario: "private",
      options: this.options,
      machine: { cores: cpus().length, model: cpus()[0]?.model, node: process.version },
      durability: "T2: fsync before SENT",
      deliveredPerSecond: Math.round(measured / elapsed),
      cpuPerMessage: Object.fromEntries([...usage.keys()].map((kind) => [kind, round(perMessage(kind))])),
      cpuPerMessageTotal: round(total),
      latencyMs: { p50: percentile(50), p90: percentile(90), p99: percentile(99), p999: percentile(99.9) },
      residentMiB: Object.fromEntries([...usage].map(([kind, { resident }]) => [kind, Math.round(resident)])),
      batches,
      writtenBytesPerMessage: round([...usage.values()].reduce((sum, one) => sum + one.writtenBytes, 0) / measured),
      verified: { ok: verified, sent, acknowledged, received, archived, busy: this.busy, errors: errors.slice(0, 5) },
    };
    const folder = path.join(process.cwd(), ".carillon", "bench");
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(this.options.json ? `${JSON.stringify(result)}\n` : describe(result, file));
    return verified;
  }
}

const round = (value: number) => Math.round(value * 10) / 10;

function describe(
  result: {
    deliveredPerSecond: number;
    cpuPerMessage: Record<string, number>;
    cpuPerMessageTotal: number;
    latencyMs: Record<string, number>;
    residentMiB: Record<string, number>;
    batches: { perQueueBatch: number; perLogRecord: number };
    writtenBytesPerMessage: number;
    verified: { ok: boolean; sent: number; acknowledged: number; received: number; archived: number; busy: number };
  },
  file: string,
): string {
  const { ok, sent, acknowledged, received, archived, busy } = result.verified;
  const rows = Object.entries(result.cpuPerMessage).map(
    ([kind, cpu]) =>
      `  ${kind.padEnd(10)} ${cpu.toFixed(1).padStart(7)} us  ${String(result.residentMiB[kind]).padStart(6)} MiB`,
  );
  const { p50, p90, p99, p999 } = result.latencyMs;
  return [
    `private messages, closed loop, T2 (fsync before SENT)`,
    `  delivered  ${result.deliveredPerSecond} per second`,
    `  latency    p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, p99.9 ${p999} ms (send to receive)`,
    `  CPU per delivered message, and resident memory:`,
    ...rows,
    `  ${"total".padEnd(10)} ${result.cpuPerMessageTotal.toFixed(1).padStart(7)} us`,
    `  batches    ${result.batches.perQueueBatch} messages per queue batch, ${result.batches.perLogRecord} per log record`,
    `  written    ${result.writtenBytesPerMessage} bytes to disk per message`,
    `  ${ok ? "verified" : "NOT VERIFIED"}: sent ${sent}, acknowledged ${acknowledged}, received ${received}, in MySQL ${archived}; BUSY and repeated ${busy}`,
    `  details    ${file}`,
    "",
  ].join("\n");
}
