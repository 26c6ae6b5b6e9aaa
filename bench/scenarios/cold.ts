/**
 * Conversations without earlier messages. Each user writes to a random one of several partners, in a loop that receipts
 * close: the owner of a partition must first ask MySQL about each conversation. The load continues while the owner is killed,
 * whose successor knows the newest messages. The same run measures one partner for each user, for comparison.
 *
 * Processes that have just started are slow until their code is compiled. So every run warms up in pairs that are not
 * measured, and each number of partners runs once more on new processes, measured from the first message on.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram } from "hdr-histogram-js";
import { countUsage, serverProcesses } from "../account/usage";
import { BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import type { LoadClient } from "../generator/carillon/load-client";
import { cpuShare, describeTimes, type Outcome, percentiles, printResult } from "../report/result";

const CONTENT_BYTES = 100;
const WARM_UP_SECONDS = 4;
const QUIET_MS = 60_000;

export interface ColdOptions extends ClusterShape {
  clients: number;
  /** Messages of one client under way at once. */
  inFlight: number;
  /** Numbers of partners of each user, one run for each number; the other runs are compared with the first one. */
  partners: number[];
  /** Seconds of each phase. */
  seconds: number;
  json: boolean;
}

/** A part of a run. */
interface Phase {
  deliveredPerSecond: number[];
  /** CPU per delivered message by kind of process, us. */
  cpu: ReturnType<typeof cpuShare>;
  busy: number;
  latencyMs: ReturnType<typeof percentiles>;
}

/** The variables of one run. */
interface ColdKind {
  partners: number;
  /** Whether senders add a random part to `retryAfterMs`. */
  hasJitter: boolean;
  /** Whether the processes are measured from their first message on. */
  isNew: boolean;
}

interface ColdRun extends ColdKind {
  /** The phase in pairs. */
  warmUp?: Phase;
  start: Phase;
  afterKill: Phase;
  verified: { ok: boolean; sent: number; received: number; archived: number; errors: string[] };
}

export async function runCold(options: ColdOptions): Promise<Outcome> {
  const runs: ColdRun[] = [];
  // The run for comparison is never refused, so jitter makes no difference to it.
  const asked: ColdKind[] = options.partners.flatMap((partners) => [
    ...(partners === 1 ? [false] : [false, true]).map((hasJitter) => ({ partners, hasJitter, isNew: false })),
    { partners, hasJitter: true, isNew: true },
  ]);
  for (const kind of asked) {
    say(nameOf(kind));
    runs.push(await BenchCluster.with(options, (cluster) => new ColdLoad(options, cluster, kind).measure()));
  }
  const ok = runs.every(({ verified }) => verified.ok);
  const result = { scenario: "cold", options, runs, targets: [], ok };
  return printResult(result, { lines: describeCold(options, runs) }, options.json);
}

class ColdLoad {
  private readonly errors: string[] = [];
  private clients: LoadClient[] = [];
  private readonly names: string[];
  private partners: number;
  private times = newTimes();
  private isOver = false;
  private sent = 0;
  private received = 0;
  private busy = 0;

  constructor(
    private readonly options: ColdOptions,
    private readonly cluster: BenchCluster,
    private readonly kind: ColdKind,
  ) {
    this.partners = kind.isNew ? kind.partners : 1;
    this.names = Array.from({ length: options.clients & ~1 }, (_, i) => `cold-${i}`);
  }

  async measure(): Promise<ColdRun> {
    const { cluster, names, options } = this;
    await cluster.register(names);
    this.clients = await cluster.connect(
      names,
      () => "",
      (i) => ({
        onEvent: ({ senderId, content }) => {
          if (senderId !== names[i]) this.take(content);
        },
        onSent: () => {},
        onBusy: () => this.busy++,
        onError: (what) => this.errors.length < 20 && this.errors.push(`${names[i]}: ${what}`),
      }),
      this.kind.hasJitter,
    );
    for (let i = 0; i < this.clients.length; i++) for (let n = 0; n < options.inFlight; n++) this.send(i);
    const warmUp = this.kind.isNew ? undefined : await this.phase("warming up in pairs", WARM_UP_SECONDS);
    this.partners = this.kind.partners;
    const start = await this.phase("measuring", options.seconds);
    await this.killOwners();
    const afterKill = await this.phase("after the owner was killed", options.seconds);
    return { ...this.kind, ...(warmUp && { warmUp }), start, afterKill, verified: await this.verify() };
  }

  private send(from: number): void {
    this.sent++;
    const content = `${from} ${performance.now().toFixed(3)} `.padEnd(CONTENT_BYTES, "x");
    this.clients[from]!.send(content, `u:${this.names[this.partnerOf(from)]}`);
  }

  /** Chooses partners around the user, so that the partners write back. */
  private partnerOf(from: number): number {
    if (this.partners === 1) return from ^ 1;
    const distance = 1 + Math.floor(Math.random() * Math.ceil(this.partners / 2));
    const { length } = this.names;
    return (from + (Math.random() < 0.5 ? distance : length - distance)) % length;
  }

  private take(content: string): void {
    const [from, at] = content.split(" ");
    this.received++;
    this.times.recordValue(Math.max(1, Math.round((performance.now() - Number(at)) * 1_000)));
    if (!this.isOver) this.send(Number(from));
  }

  private async phase(what: string, seconds: number): Promise<Phase> {
    this.times = newTimes();
    const [busyBefore, receivedBefore] = [this.busy, this.received];
    const used = countUsage(() => serverProcesses(this.cluster.running.info()));
    const deliveredPerSecond: number[] = [];
    for (let second = 1; second <= seconds; second++) {
      const [before, since] = [this.received, performance.now()];
      await sleep(1_000);
      for (const client of this.clients) client.repeat();
      deliveredPerSecond.push(Math.round(((this.received - before) * 1_000) / (performance.now() - since)));
      say(`  ${what} ${second}/${seconds} s: ${deliveredPerSecond.at(-1)} delivered/s, ${this.busy - busyBefore} BUSY`);
    }
    const cpu = cpuShare(used(), Math.max(1, this.received - receivedBefore));
    return { deliveredPerSecond, cpu, busy: this.busy - busyBefore, latencyMs: percentiles(this.times) };
  }

  /** Kills the workers that own a partition. They start again at once, as workers that own nothing. */
  private async killOwners(): Promise<void> {
    const owners = await this.cluster.owners();
    for (const { nodeId, pid } of this.cluster.running.info().workers)
      if (owners.has(nodeId)) process.kill(pid!, "SIGKILL");
  }

  private async verify(): Promise<ColdRun["verified"]> {
    this.isOver = true;
    const deadline = Date.now() + QUIET_MS;
    while (this.received < this.sent && Date.now() < deadline) {
      await sleep(1_000);
      for (const client of this.clients) client.repeat();
    }
    let archived = await this.cluster.archived();
    while (archived < this.sent && Date.now() < deadline) {
      await sleep(200);
      archived = await this.cluster.archived();
    }
    for (const client of this.clients) client.close();
    const { sent, received, errors } = this;
    return { ok: errors.length === 0 && received === sent && archived === sent, sent, received, archived, errors };
  }
}

const newTimes = () => buildHistogram({ numberOfSignificantValueDigits: 3 });

const mean = (values: number[]) => Math.round(values.reduce((sum, value) => sum + value, 0) / values.length);

function nameOf({ partners, hasJitter, isNew }: ColdKind): string {
  const whom = partners === 1 ? "1 partner" : `${partners} partners`;
  if (isNew) return `${whom} each, new processes`;
  return `${whom} each${partners === 1 ? "" : `, senders ${hasJitter ? "with" : "without"} jitter`}`;
}

function describeCold({ clients, inFlight, seconds }: ColdOptions, runs: ColdRun[]): string[] {
  const warm = mean(runs[0]!.start.deliveredPerSecond);
  const describe = (name: string, { deliveredPerSecond, cpu, busy, latencyMs }: Phase) => [
    `    ${name}: ${mean(deliveredPerSecond)} delivered/s (${(mean(deliveredPerSecond) / warm).toFixed(2)} of warm), ${busy} BUSY; ${describeTimes(latencyMs)}`,
    `      second by second: ${deliveredPerSecond.join(" ")}`,
    `      CPU ${cpu.total} us per message: ${Object.entries(cpu.of)
      .map(([kind, us]) => `${kind} ${us}`)
      .join(", ")}`,
  ];
  return [
    `cold conversations, ${clients} clients, closed loop by receipt, ${inFlight} each under way, ${seconds} s a phase`,
    ...runs.flatMap((run) => {
      const { partners, isNew, warmUp, start, afterKill, verified } = run;
      const { ok, sent, received, archived, errors } = verified;
      return [
        `  ${nameOf(run)}`,
        ...(warmUp === undefined ? [] : [`    warm-up in pairs: ${warmUp.deliveredPerSecond.join(" ")} delivered/s`]),
        ...describe(isNew ? "from the first message on" : partners === 1 ? "warm" : "cold", start),
        ...describe("after the owner was killed", afterKill),
        `    ${ok ? "verified" : `NOT VERIFIED: ${errors.slice(0, 3).join("; ")}`}: sent ${sent}, received ${received}, archived ${archived}`,
      ];
    }),
  ];
}
