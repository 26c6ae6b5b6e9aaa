/**
 * One measurement of one server under private messages. The run starts the server, loads it in a closed or an open loop,
 * measures, verifies and stops it. No message may be lost, doubled or out of order, and each accepted message must be in the
 * archive at the end.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { sleep } from "@carillon/base";
import type { Histogram } from "hdr-histogram-js";
import { type Account, startAccount } from "../account/account";
import { keepProfiles } from "../account/profile";
import { profileFolder, say } from "../cluster/bench-cluster";
import { Generator } from "../generator/generator";
import type { ClosedBy, LoadCounts } from "../generator/load-loop";
import type { Contestant, RunningContestant, Tier } from "../peers/contestant";
import type { ProfileSummary } from "../report/profile";
import { percentileCurve, percentiles } from "../report/result";

const WARM_UP_SECONDS = 4;
/** Time until an open loop has worked off the messages that its beginning piled up. */
const SETTLE_SECONDS = 4;
/** Time for which a closed loop shows the maximum rate of a server. */
const FIND_SECONDS = 5;
const QUIET_MS = 60_000;
/** A generator that was later than this (p99, ms) has measured itself. */
const MOST_LATE_MS = 1;
/** The part of a server's maximum rate at which its latency is measured. */
const LATENCY_LOAD = 0.5;

export interface OneToOneOptions {
  clients: number;
  seconds: number;
  generators: number;
  /** Closed loop: number of messages of one client under way. */
  inFlight: number;
  /** Closed loop: the event after which a client sends its next message. */
  closedBy: ClosedBy;
  /** Open loop: messages per second; "half": half the rate that the closed loop reaches just before. undefined: closed loop only. */
  rate: number | "half" | undefined;
  /** Folder that keeps profiles of the Node processes; undefined: no profiles. */
  profile: string | undefined;
}

export interface Measured {
  contestant: string;
  tier: Tier;
  round: number;
  loop: "closed" | "open";
  /** Open loop: messages per second that were due. */
  rate?: number;
  deliveredPerSecond: number;
  /** SENT per second; deliveries may be behind. */
  sentPerSecond: number;
  /** Time until the peer has the message: from its sending in a closed loop, from its due instant in an open loop. */
  latencyMs: ReturnType<typeof percentiles>;
  /** [percentile, ms] for a chart. */
  curve: [number, number][];
  account: Account;
  /** Open loop: the delay of the generator (p99, ms), and whether the latency counts. */
  lateMs?: number;
  isInTime: boolean;
  /** Profiles by kind of process, including the generator. */
  profiles?: Record<string, ProfileSummary>;
  verified: { ok: boolean; archived: number | undefined } & LoadCounts;
}

/** Starts a server, measures it once and removes it. */
export async function measureOnce(contestant: Contestant, round: number, options: OneToOneOptions): Promise<Measured> {
  const directory = mkdtempSync(path.join(tmpdir(), "carillon-bench-"));
  try {
    const server = await contestant.start(directory, say);
    const profiles = options.profile === undefined ? undefined : profileFolder(directory);
    const generator = Generator.start(options.generators, profiles);
    try {
      return await new OneToOne(contestant, server, generator, options).measure(round, profiles);
    } finally {
      generator.close();
      await server.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class OneToOne {
  constructor(
    private readonly contestant: Contestant,
    private readonly server: RunningContestant,
    private readonly generator: Generator,
    private readonly options: OneToOneOptions,
  ) {}

  async measure(round: number, profileFolder: string | undefined): Promise<Measured> {
    const { server, generator, options } = this;
    const specs = await server.clients((this.contestant.clientCount ?? options.clients) & ~1);
    const archivedBefore = (await server.archived?.()) ?? 0;
    say(`connecting ${specs.length} clients`);
    await generator.open(server.protocolFile, specs);
    const rate = await this.startLoad();
    const from = Date.now();
    const account = await this.window(rate === undefined ? "closed loop" : `${rate} messages/s`, options.seconds);
    const to = Date.now();
    await generator.stop();
    const verified = await this.awaitQuiet(archivedBefore);
    const times = await generator.times();
    const profiles = profileFolder && (await this.readProfiles(profileFolder, round, from, to));
    const lateMs = percentiles(times.lateness).p99;
    return {
      contestant: this.contestant.name,
      tier: this.contestant.tier,
      round,
      loop: rate === undefined ? "closed" : "open",
      ...(rate === undefined ? {} : { rate, lateMs }),
      deliveredPerSecond: account.messages / account.seconds,
      sentPerSecond: verified.acceptedMeasured / account.seconds,
      latencyMs: percentiles(times.latency),
      curve: percentileCurve(times.latency as Histogram),
      account,
      isInTime: rate === undefined || lateMs <= MOST_LATE_MS,
      verified,
      ...(profiles && { profiles }),
    };
  }

  private readProfiles(folder: string, round: number, from: number, to: number) {
    const { server, generator, options, contestant } = this;
    const processes = new Map([...server.processes(), ["generator", generator.pids]]);
    return keepProfiles(folder, processes, { from, to, into: options.profile!, name: `${contestant.name}-${round}` });
  }

  /** Warms the server up by a closed loop. @returns messages per second of the open loop, if the run measures one */
  private async startLoad(): Promise<number | undefined> {
    const { generator, options } = this;
    await generator.startClosed(options.inFlight, options.closedBy);
    await this.wait(WARM_UP_SECONDS, "warming up");
    if (options.rate === undefined) return undefined;
    const rate = options.rate === "half" ? await this.findHalf() : options.rate;
    await generator.stop();
    await this.awaitDelivery();
    await generator.startOpen(rate);
    await this.wait(SETTLE_SECONDS, `settling at ${rate} messages/s`);
    return rate;
  }

  private async findHalf(): Promise<number> {
    const { messages, seconds } = await this.window("looking for what it can deliver", FIND_SECONDS);
    return Math.round((messages / seconds) * LATENCY_LOAD);
  }

  /** Measures for a while. */
  private async window(what: string, seconds: number): Promise<Account> {
    const { generator, server } = this;
    const finish = await startAccount(server, generator.pids);
    await generator.startMeasuring();
    await this.wait(seconds, `${what}, measuring`);
    await generator.stopMeasuring();
    return finish(async () => (await generator.progress()).measured);
  }

  private async wait(seconds: number, what: string): Promise<void> {
    let before = (await this.generator.progress()).received;
    for (let second = 1; second <= seconds; second++) {
      await sleep(1_000);
      const { received, errors } = await this.generator.progress();
      say(`${this.contestant.name}: ${what} ${second}/${seconds} s: ${received - before} delivered/s`);
      if (errors.length > 0) throw new Error(`the run failed: ${errors.slice(0, 3).join("; ")}`);
      before = received;
    }
  }

  /** Waits until every sent message has arrived. */
  private async awaitDelivery(): Promise<LoadCounts> {
    const deadline = Date.now() + QUIET_MS;
    for (;;) {
      const counts = await this.generator.progress();
      const isQuiet = counts.received === counts.sent && counts.accepted === counts.sent;
      if (isQuiet || Date.now() > deadline) return counts;
      await sleep(200);
    }
  }

  private async awaitQuiet(archivedBefore: number): Promise<Measured["verified"]> {
    const deadline = Date.now() + QUIET_MS;
    const counts = await this.awaitDelivery();
    let archived: number | undefined;
    do {
      if (archived !== undefined) await sleep(200);
      const all = await this.server.archived?.();
      archived = all === undefined ? undefined : all - archivedBefore;
    } while (archived !== undefined && archived !== counts.sent && Date.now() < deadline);
    const { sent, accepted, received, missing, errors } = counts;
    const isComplete = received === sent && accepted === sent && missing === 0 && errors.length === 0;
    return { ok: isComplete && (archived === undefined || archived === sent), archived, ...counts };
  }
}
