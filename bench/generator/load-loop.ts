/**
 * The load of one process of the generator, over any protocol: clients in pairs that write to each other.
 *
 * Closed loop: each client keeps some messages under way and sends the next when its peer has received one. Open loop:
 * messages go out at the instants of a schedule, whatever comes back, and each is timed from its instant. The loop checks that
 * no message is lost, doubled or out of order.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { Arrivals } from "./arrivals";
import { readContent, writeContent } from "./content";
import type { LoadClientSpec, LoadConnection, LoadProtocol } from "./load-protocol";
import { Schedule } from "./schedule";
import { startTicks } from "./ticks";

const OPEN_AT_ONCE = 50;
const START_TOGETHER = 50;
const START_EVERY_MS = 250;
const MOST_ERRORS = 20;

/** A client of a closed loop sends its next message when its peer has received one, or when the server has accepted one. */
export type ClosedBy = "received" | "sent";

/** The counts of a process of the generator up to now. */
export interface LoadCounts {
  sent: number;
  accepted: number;
  /** Of these: while it was measured. */
  acceptedMeasured: number;
  /** Messages that the servers asked to repeat. */
  repeated: number;
  received: number;
  /** Of these: while it was measured. */
  measured: number;
  /** Sent messages that have not come, counted by their numbers. */
  missing: number;
  errors: string[];
}

export interface LoadTimes {
  /** From the sending (closed loop) or the due instant (open loop) until the peer has the message, us. */
  latency: Histogram;
  /** Open loop: from the due instant until the sending, us. */
  lateness: Histogram;
}

interface Client {
  connection: LoadConnection;
  sent: number;
  isRepeating: boolean;
  /** Arrivals of the messages that its peer has sent. */
  arrivals: Arrivals;
}

export const newTimes = (): LoadTimes => ({
  latency: buildHistogram({ numberOfSignificantValueDigits: 3 }),
  lateness: buildHistogram({ numberOfSignificantValueDigits: 3 }),
});

const nowUs = () => Math.round(performance.now() * 1_000);

export class LoadLoop {
  times = newTimes();
  private readonly clients: Client[] = [];
  private readonly errors: string[] = [];
  private readonly read = { number: 0, us: 0 };
  private counts = { sent: 0, accepted: 0, acceptedMeasured: 0, repeated: 0, received: 0, measured: 0 };
  private isMeasuring = false;
  /** The event after which a client sends its next message; undefined: no closed loop. */
  private closedBy: ClosedBy | undefined;
  private stopTicks: (() => void) | undefined;

  /** Connects clients in addition to the connected ones; `specs` come in pairs. */
  async open(protocol: LoadProtocol, specs: LoadClientSpec[]): Promise<void> {
    const before = this.clients.length;
    for (let at = 0; at < specs.length; at += OPEN_AT_ONCE) {
      const part = specs.slice(at, at + OPEN_AT_ONCE);
      await Promise.all(part.map((spec, index) => this.openOne(protocol, spec, before + at + index)));
    }
  }

  /**
   * Starts clients group by group: a cold server tells clients that all come at once to wait, and their repeated tries blur the
   * latencies.
   */
  async startClosed(inFlight: number, closedBy: ClosedBy = "received"): Promise<void> {
    this.closedBy = closedBy;
    for (let at = 0; at < this.clients.length; at += START_TOGETHER) {
      for (const client of this.clients.slice(at, at + START_TOGETHER)) {
        for (let i = 0; i < inFlight; i++) this.send(client, nowUs());
      }
      await sleep(START_EVERY_MS);
    }
  }

  /** Has the clients send in turns. @param perSecond messages of this process */
  startOpen(perSecond: number): void {
    const schedule = new Schedule(perSecond, Math.ceil(performance.now()) + 1);
    this.stopTicks = startTicks(() => {
      const now = performance.now();
      schedule.run(now, (index, dueAt) => {
        const dueUs = Math.round(dueAt * 1_000);
        if (this.isMeasuring) this.times.lateness.recordValue(Math.max(1, Math.round(now * 1_000) - dueUs));
        this.send(this.clients[index % this.clients.length]!, dueUs);
      });
    });
  }

  /** Begins to count and to time; earlier times are dropped. */
  startMeasuring(): void {
    this.times = newTimes();
    this.counts.measured = 0;
    this.counts.acceptedMeasured = 0;
    this.isMeasuring = true;
  }

  stopMeasuring(): void {
    this.isMeasuring = false;
  }

  /** Stops sending; messages under way continue. */
  stop(): void {
    this.closedBy = undefined;
    this.stopTicks?.();
  }

  close(): void {
    this.stop();
    for (const { connection } of this.clients) connection.close();
  }

  progress(): LoadCounts {
    const missing = this.clients.reduce(
      (sum, { arrivals }, index) => sum + arrivals.missing(this.peerOf(index).sent),
      0,
    );
    return { ...this.counts, missing, errors: this.errors };
  }

  private async openOne(protocol: LoadProtocol, spec: LoadClientSpec, index: number): Promise<void> {
    const connection = await protocol.open(spec, {
      onMessage: (content) => this.receive(index, content),
      onAccepted: () => {
        this.counts.accepted++;
        if (this.isMeasuring) this.counts.acceptedMeasured++;
        if (this.closedBy === "sent") this.send(this.clients[index]!, nowUs());
      },
      onRepeated: () => {
        this.counts.repeated++;
        this.clients[index]!.isRepeating = true;
      },
      onError: (what) => this.fail(`${spec.userId}: ${what}`),
    });
    this.clients[index] = { connection, sent: 0, isRepeating: false, arrivals: new Arrivals() };
  }

  private send(client: Client, us: number): void {
    this.counts.sent++;
    client.connection.send(writeContent(client.sent++, us));
  }

  private receive(index: number, content: string): void {
    const { read } = this;
    if (!readContent(content, read)) return this.fail(`nobody has sent "${content.slice(0, 40)}"`);
    const sender = this.peerOf(index);
    const fault = this.clients[index]!.arrivals.take(read.number, sender.isRepeating);
    if (fault !== undefined) return this.fail(fault);
    this.counts.received++;
    const now = nowUs();
    if (this.isMeasuring) {
      this.counts.measured++;
      this.times.latency.recordValue(Math.max(1, now - read.us));
    }
    if (this.closedBy === "received") this.send(sender, now);
  }

  private peerOf(index: number): Client {
    return this.clients[index ^ 1]!;
  }

  private fail(what: string): void {
    if (this.errors.length < MOST_ERRORS) this.errors.push(what);
  }
}
