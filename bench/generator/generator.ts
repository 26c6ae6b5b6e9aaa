/** The load generator as a run sees it: several processes that take each call together and answer as one. */
import path from "node:path";
import { decodeFromCompressedBase64, type Histogram } from "hdr-histogram-js";
import type { GeneratorCalls } from "./calls";
import { type ClosedBy, type LoadCounts, type LoadTimes, newTimes } from "./load-loop";
import type { LoadClientSpec } from "./load-protocol";
import { RemoteProcess } from "./remote-process";
import { runAhead } from "./run-ahead";

const PROCESS_FILE = path.join(__dirname, "generator-process.ts");

export class Generator {
  private constructor(private readonly processes: RemoteProcess<GeneratorCalls>[]) {}

  /**
   * @param count of processes
   * @param profileFolder into which they profile themselves; undefined: they do not
   */
  static start(count: number, profileFolder?: string): Generator {
    return new Generator(
      Array.from({ length: count }, () => new RemoteProcess<GeneratorCalls>(PROCESS_FILE, profileFolder)),
    );
  }

  /** Pids of the generator's processes, so that a run can show what the generator itself costs. */
  get pids(): number[] {
    return this.processes.map(({ pid }) => pid);
  }

  /** Connects all clients; pairs stay together. */
  async open(protocolFile: string, specs: LoadClientSpec[]): Promise<void> {
    const shares = this.processes.map((_, share) =>
      specs.filter((_spec, index) => Math.floor(index / 2) % this.processes.length === share),
    );
    await Promise.all(this.processes.map((each, i) => each.ask("open", { protocolFile, specs: shares[i]! })));
  }

  async startClosed(inFlight: number, closedBy: ClosedBy = "received"): Promise<void> {
    await this.ask("startClosed", { inFlight, closedBy });
  }

  /** @param perSecond messages of all processes together */
  async startOpen(perSecond: number): Promise<void> {
    for (const { pid } of this.processes) runAhead(pid);
    await this.ask("startOpen", { perSecond: perSecond / this.processes.length });
  }

  async startMeasuring(): Promise<void> {
    await this.ask("startMeasuring");
  }

  async stopMeasuring(): Promise<void> {
    await this.ask("stopMeasuring");
  }

  async stop(): Promise<void> {
    await this.ask("stop");
  }

  async progress(): Promise<LoadCounts> {
    const all = await this.ask("progress");
    const sum = (of: (counts: LoadCounts) => number) => all.reduce((total, counts) => total + of(counts), 0);
    return {
      sent: sum(({ sent }) => sent),
      accepted: sum(({ accepted }) => accepted),
      acceptedMeasured: sum(({ acceptedMeasured }) => acceptedMeasured),
      repeated: sum(({ repeated }) => repeated),
      received: sum(({ received }) => received),
      measured: sum(({ measured }) => measured),
      missing: sum(({ missing }) => missing),
      errors: all.flatMap(({ errors }) => errors),
    };
  }

  async times(): Promise<LoadTimes> {
    const times = newTimes();
    for (const { latency, lateness } of await this.ask("times")) {
      times.latency.add(decodeFromCompressedBase64(latency) as Histogram);
      times.lateness.add(decodeFromCompressedBase64(lateness) as Histogram);
    }
    return times;
  }

  /** Ends the processes, and their connections with them. */
  close(): void {
    for (const each of this.processes) each.end();
  }

  private ask<K extends keyof GeneratorCalls>(call: K, argument?: Parameters<GeneratorCalls[K]>[0]) {
    return Promise.all(this.processes.map((each) => each.ask(call, argument)));
  }
}
