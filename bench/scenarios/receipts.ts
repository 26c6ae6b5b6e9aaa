/**
 * Measures whether a flood of receipts delays messages: private messages at a steady pace, by turns alone and beside READs of
 * other users. One run measures both, since the machine is not the same from one minute to the next.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram } from "hdr-histogram-js";
import { countUsage, serverProcesses } from "../account/usage";
import { BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import type { LoadClient } from "../generator/carillon/load-client";
import { steadily } from "../generator/steadily";
import { cpuShare, describeTimes, type Outcome, percentileCurve, percentiles, printResult } from "../report/result";

const CONTENT_BYTES = 100;
/** Clients that only read. */
const READERS = 100;
const TURNS = 3;
const WARM_UP_MS = 4_000;
const SETTLE_MS = 1_000;

export interface ReceiptsOptions extends ClusterShape {
  /** Users who write to each other, in pairs. */
  clients: number;
  /** Messages per second of all writers together. */
  rate: number;
  /** READs per second of all readers, in the flood. */
  reads: number;
  /** Seconds of all turns together. */
  seconds: number;
  json: boolean;
}

export function runReceipts(options: ReceiptsOptions): Promise<Outcome> {
  return BenchCluster.with(options, (cluster) => new ReceiptsRun(options, cluster).measure());
}

class ReceiptsRun {
  private readonly errors: string[] = [];
  private readonly alone = newPhase();
  private readonly flooded = newPhase();
  private phase: ReturnType<typeof newPhase> | undefined;
  private sent = 0;
  private received = 0;
  private reads = 0;

  constructor(
    private readonly options: ReceiptsOptions,
    private readonly cluster: BenchCluster,
  ) {}

  async measure(): Promise<Outcome> {
    const { clients, rate, reads, seconds } = this.options;
    const writers = await this.connect("writer", clients & ~1);
    const readers = await this.connect("reader", READERS);
    for (const [i, reader] of readers.entries()) for (let n = 0; n < 50; n++) reader.send(`${i} ${n}`);
    const writing = steadily(rate, (n) => this.write(writers[n % writers.length]!));
    await sleep(WARM_UP_MS);
    const processes = serverProcesses(this.cluster.running.info());
    for (let turn = 0; turn < 2 * TURNS; turn++) {
      const isFlood = turn % 2 === 1;
      const flood = isFlood ? steadily(reads, (n) => this.read(readers, n)) : undefined;
      await sleep(SETTLE_MS);
      this.phase = isFlood ? this.flooded : this.alone;
      const used = countUsage(() => processes);
      await sleep((seconds * 1_000) / (2 * TURNS));
      const share = cpuShare(used(), Math.round((rate * seconds) / (2 * TURNS)));
      this.phase.cpu.push(share.total);
      this.phase = undefined;
      flood?.();
      say(
        `turn ${turn + 1}/${2 * TURNS}, ${isFlood ? `beside ${reads} READs a second` : "alone"}: ${share.total} us per message`,
      );
    }
    writing();
    const deadline = Date.now() + 20_000;
    while (this.received < this.sent && Date.now() < deadline) await sleep(100);
    for (const client of [...writers, ...readers]) client.close();
    return this.report();
  }

  private async connect(name: string, count: number): Promise<LoadClient[]> {
    const names = Array.from({ length: count }, (_, i) => `${name}-${i}`);
    await this.cluster.register(names);
    return this.cluster.connect(
      names,
      (i) => `u:${names[i ^ 1]}`,
      (i) => ({
        onEvent: ({ senderId, content }) => {
          if (name === "writer" && senderId !== names[i]) this.take(content);
        },
        onSent: () => {},
        onBusy: () => {},
        onError: (what) => this.errors.push(`${names[i]}: ${what}`),
      }),
    );
  }

  private write(client: LoadClient): void {
    this.sent++;
    client.send(`${performance.now().toFixed(3)} `.padEnd(CONTENT_BYTES, "x"));
  }

  private take(content: string): void {
    this.received++;
    this.phase?.times.recordValue(Math.max(1, Math.round((performance.now() - Number.parseFloat(content)) * 1_000)));
  }

  /** Has each reader read on by one number, so that every mark changes and the peer gets an update. */
  private read(readers: LoadClient[], n: number): void {
    const i = n % readers.length;
    const [lower, higher] = [`reader-${i}`, `reader-${i ^ 1}`].sort();
    this.reads++;
    readers[i]!.read(`p:${lower}:${higher}`, 1 + (Math.floor(n / readers.length) % 100));
  }

  private report(): Outcome {
    const { options, errors, sent, received, reads, alone, flooded } = this;
    const ok = errors.length === 0 && sent === received;
    const result = {
      scenario: "receipts",
      options,
      alone: { latencyMs: percentiles(alone.times), cpuPerMessage: alone.cpu },
      flooded: { latencyMs: percentiles(flooded.times), cpuPerMessage: flooded.cpu },
      verified: { ok, sent, received, reads, errors: errors.slice(0, 5) },
      targets: [],
      ok,
    };
    const curves = [
      { label: "alone", points: percentileCurve(alone.times) },
      { label: "flooded", points: percentileCurve(flooded.times) },
    ];
    const lines = [
      `${options.rate} private messages a second, T2, by turns alone and beside ${options.reads} READs a second`,
      `  alone      ${describeTimes(result.alone.latencyMs)} (send to receive)`,
      `  flooded    ${describeTimes(result.flooded.latencyMs)}`,
      `  CPU of all servers per message, turn by turn: alone ${alone.cpu.join(", ")} us; flooded ${flooded.cpu.join(", ")} us`,
      `  ${ok ? "verified" : `NOT VERIFIED: ${errors.slice(0, 3).join("; ")}`}: sent ${sent}, received ${received}, READs ${reads}`,
    ];
    return printResult(result, { lines, curves }, options.json);
  }
}

const newPhase = () => ({ times: buildHistogram({ numberOfSignificantValueDigits: 3 }), cpu: [] as number[] });
