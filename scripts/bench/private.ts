/**
 * Private messages in a closed loop: each client keeps some messages under way and sends the next when its peer has
 * received one. Durable (fsync before SENT), and verified: nothing lost, doubled or out of order at the receivers,
 * and every SENT message in MySQL at the end.
 */
import { silentLogger } from "@carillon/base/node";
import { connectBus, queueStream, readLogState } from "@carillon/bus";
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { BenchCluster, type ClusterShape, say } from "./bench-cluster";
import type { LoadClient } from "./load-client";
import { cpuRows, cpuShare, describeTimes, keepResult, percentiles, residents, round } from "./result";
import { countUsage, serverProcesses, type Usage } from "./server-cpu";

const CONTENT_BYTES = 100;
const WARM_UP_SECONDS = 4;
const START_TOGETHER = 50;
const START_EVERY_MS = 250;
const QUIET_MS = 60_000;

export interface PrivateOptions extends ClusterShape {
  clients: number;
  inFlight: number;
  seconds: number;
  json: boolean;
}

/** @returns whether everything that was sent arrived as promised */
export function runPrivate(options: PrivateOptions): Promise<boolean> {
  return BenchCluster.with(options, (cluster) => new PrivateRun(options, cluster).measure());
}

class PrivateRun {
  private clients: LoadClient[] = [];
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
    private readonly cluster: BenchCluster,
  ) {}

  async measure(): Promise<boolean> {
    const { seconds } = this.options;
    await this.connect();
    const processes = serverProcesses(this.cluster.running.info());
    await this.startLoops();
    await this.wait(WARM_UP_SECONDS, "warming up");
    const used = countUsage(processes);
    const startedAt = performance.now();
    this.measuring = true;
    await this.wait(seconds, "measuring");
    this.measuring = false;
    const elapsed = (performance.now() - startedAt) / 1_000;
    const usage = used();
    this.sending = false;
    const archived = await this.awaitQuiet();
    const batches = await this.readBatches();
    for (const client of this.clients) client.close();
    return this.report(usage, elapsed, archived, batches);
  }

  private async connect(): Promise<void> {
    const names = Array.from({ length: this.options.clients & ~1 }, (_, i) => `bench-${i}`);
    await this.cluster.register(names);
    this.clients = await this.cluster.connect(
      names,
      (i) => `u:${names[i ^ 1]}`,
      (i) => ({
        onEvent: ({ senderId, content }) => {
          if (senderId === names[i ^ 1]) this.receive(this.clients[i ^ 1]!, content);
        },
        onSent: () => {
          this.acknowledged++;
        },
        onBusy: () => {
          this.busy++;
        },
        onError: (what) => this.errors.push(`${names[i]}: ${what}`),
      }),
    );
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
    const deadline = Date.now() + QUIET_MS;
    let archived = 0;
    while (Date.now() < deadline) {
      archived = await this.cluster.archived();
      if (this.received === this.sent && this.acknowledged === this.sent && archived === this.sent) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return archived;
  }

  /** How many messages shared a queue batch and a log record: what group commit made of the load. */
  private async readBatches(): Promise<{ perQueueBatch: number; perLogRecord: number }> {
    const { nats } = this.cluster.settings;
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
    const { sent, acknowledged, received, measured, errors, busy, options } = this;
    const ok = errors.length === 0 && received === sent && acknowledged === sent && archived === sent;
    const cpuPerMessage = cpuShare(usage, measured);
    const result = {
      scenario: "private",
      options,
      durability: "T2: fsync before SENT",
      deliveredPerSecond: Math.round(measured / elapsed),
      cpuPerMessage,
      latencyMs: percentiles(this.latencies),
      residentMiB: residents(usage),
      batches,
      writtenBytesPerMessage: round([...usage.values()].reduce((sum, one) => sum + one.writtenBytes, 0) / measured),
      verified: { ok, sent, acknowledged, received, archived, busy, errors: errors.slice(0, 5) },
    };
    const file = keepResult(result);
    const lines = [
      "private messages, closed loop, T2 (fsync before SENT)",
      `  delivered  ${result.deliveredPerSecond} per second`,
      `  latency    ${describeTimes(result.latencyMs)} (send to receive)`,
      "  CPU per delivered message, and resident memory:",
      ...cpuRows(cpuPerMessage, result.residentMiB),
      `  batches    ${batches.perQueueBatch} messages per queue batch, ${batches.perLogRecord} per log record`,
      `  written    ${result.writtenBytesPerMessage} bytes to disk per message`,
      `  ${ok ? "verified" : "NOT VERIFIED"}: sent ${sent}, acknowledged ${acknowledged}, received ${received}, in MySQL ${archived}; BUSY and repeated ${busy}`,
      `  details    ${file}`,
    ];
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${lines.join("\n")}\n`);
    return ok;
  }
}
