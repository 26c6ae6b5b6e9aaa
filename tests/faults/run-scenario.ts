/**
 * Runs one scenario: starts a new cluster, lets users write, injects the planned faults, heals everything, lets every user write
 * once more, and waits until the cluster is quiet. Then the checker decides, and the times are compared with their bounds.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { sleep } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus } from "@carillon/bus";
import { findFreePortBlock, ProcessGuard, type RoleCounts, type RunningCluster, startCluster } from "@carillon/local";
import { checkEvidence, type Evidence, until, type Violation } from "@carillon/testkit";
import { faults } from "./inject/catalogue";
import { NatsDisk } from "./inject/disk";
import type { Stage } from "./inject/fault";
import { Links } from "./inject/links";
import { Load } from "./load/load";
import { readClusterSettings } from "./load/people";
import { percentile, type RunFacts, type Strike } from "./measure";
import { MemoryWatch } from "./memory-watch";
import type { PlannedFault } from "./plan";
import { type Series, seriesOf } from "./report/series";
import type { LoadShape, Row, Scenario } from "./scenario";
import { readStores } from "./snapshots";
import { isWhole } from "./whole";

const COUNTS: RoleCounts = { gateway: 2, worker: 3, archiver: 2, api: 1 };
const LOAD: LoadShape = { sdkPairs: 9, rawPairs: 6, groups: 0, rate: 300 };
const WARM_UP_MS = 3_000;
const AFTER_MS = 4_000;
const WHOLE_MS = 60_000;
const QUIET_MS = 90_000;
/** Time that the stores have when the clients have everything: the archive gathers records, queues are acknowledged, ms. */
const STORES_MS = 60_000;

export interface ScenarioResult {
  scenario: string;
  row: Row;
  seed: number;
  seconds: number;
  strikes: Strike[];
  bounds: { what: string; unit: string; most: number; median: number; worst: number; ok: boolean }[];
  violations: Violation[];
  sent: number;
  shown: number;
  evidence: Evidence;
  series: Series;
  loadFrom: number;
  loadTo: number;
  ok: boolean;
}

export interface RunOptions {
  seed: number;
  say(line: string): void;
  /** Gets the cluster's log file before the data directory is removed. */
  keepLog?(file: string): void;
}

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const directory = await mkdtemp(path.join(tmpdir(), "carillon-faults-"));
  const guard = new ProcessGuard();
  guard.removeFolder(directory);
  const counts = { ...COUNTS, ...scenario.counts };
  const basePort = await findFreePortBlock(50);
  const disk = scenario.disk && NatsDisk.mount(scenario.disk, directory);
  const links = scenario.links === true ? await Links.open(basePort, counts) : Links.direct();
  let cluster: RunningCluster | undefined;
  try {
    cluster = await startCluster({
      directory,
      basePort,
      counts,
      partitions: counts.worker,
      small: true,
      guardServers: true,
      natsServers: scenario.natsServers ?? 1,
      nodeEnv: (nodeId, stores) => links.environment(nodeId, stores),
      env: {
        NODE_ENV: "test",
        CARILLON_LIMITS_FRAMES_PER_SECOND: "1000000",
        CARILLON_LIMITS_FRAMES_BURST: "1000000",
        CARILLON_LIMITS_MESSAGES_PER_SECOND: "1000000",
        CARILLON_LIMITS_MESSAGES_BURST: "1000000",
        ...scenario.env,
      },
    });
    return await new ScenarioRun(scenario, options, { cluster, links, disk }, counts).run();
  } finally {
    await cluster?.stop();
    await links.close();
    disk?.unmount();
    options.keepLog?.(path.join(directory, "logs", "carillon.log"));
    await guard.release();
    await rm(directory, { recursive: true, force: true });
  }
}

class ScenarioRun {
  private readonly strikes: Strike[] = [];
  private readonly failures: Violation[] = [];
  private readonly beganAt = performance.now();
  private readonly load: Load;
  private readonly partitions: number;

  constructor(
    private readonly scenario: Scenario,
    private readonly options: RunOptions,
    private readonly parts: Pick<Stage, "cluster" | "links" | "disk">,
    counts: RoleCounts,
  ) {
    const { cluster } = parts;
    this.partitions = counts.worker;
    this.load = new Load({
      ...LOAD,
      ...scenario.load,
      directory: cluster.directory,
      api: cluster.info().api,
      partitions: this.partitions,
    });
  }

  async run(): Promise<ScenarioResult> {
    const { parts, load, scenario } = this;
    const { cluster } = parts;
    const settings = readClusterSettings(cluster.directory);
    const bus = await connectBus({
      settings: { replicas: 1, fsync: true, streamMegabytes: 1024, ...settings.nats },
      name: "faults",
      logger: silentLogger(),
    });
    const memory = new MemoryWatch(cluster);
    try {
      await load.connect();
      load.start();
      const loadFrom = performance.now();
      this.say(`${load.size} clients write`);
      await sleep(scenario.warmUpMs ?? WARM_UP_MS);
      await this.strikeAll({ ...parts, load, bus });
      await sleep(scenario.afterMs ?? AFTER_MS);
      load.stop();
      const loadTo = performance.now();
      await this.comeToRest(bus);
      const { evidence, violations } = await this.judge(bus, memory);
      return this.result(
        { evidence, strikes: this.strikes, partitions: this.partitions, loadFrom, loadTo },
        violations,
      );
    } finally {
      memory.stop();
      await load.close();
      await bus.close();
    }
  }

  private async strikeAll(stage: Stage): Promise<void> {
    const plan = this.scenario.plan(this.options.seed);
    const begin = performance.now();
    const open: Promise<void>[] = [];
    for (const planned of plan) {
      await sleep(Math.max(0, begin + planned.atMs - performance.now()));
      open.push(this.strike(stage, planned));
    }
    await Promise.all(open);
    await sleep(Math.max(0, begin + (plan.at(-1)?.atMs ?? 0) - performance.now()));
  }

  private async strike(stage: Stage, { fault, target, holdMs }: PlannedFault): Promise<void> {
    const begunAt = performance.now();
    const struck = await faults[fault].strike(stage, target).catch((error: Error) => this.fail(fault, error));
    if (struck === undefined) return this.say(`${fault}: there is nothing to strike now`);
    const strike: Strike = { fault, on: struck.on, struckAt: struck.at ?? begunAt, healedAt: Number.POSITIVE_INFINITY };
    this.strikes.push(strike);
    this.say(`${fault} (${struck.on})`);
    await sleep(holdMs);
    const healingAt = performance.now();
    const madeUpMs = await struck.heal().catch((error: Error) => this.fail(fault, error));
    if (typeof madeUpMs === "number") strike.madeUpMs = madeUpMs;
    // A paused process continues at once; the strike on a killed process is healed when the process is back.
    strike.healedAt = holdMs > 0 ? healingAt : performance.now();
    this.say(`${fault} (${struck.on}) is over`);
  }

  /** Counts a failure of the machine itself: a fault that it could not inject or heal, or did not see happen. */
  private fail(fault: string, { message }: Error): undefined {
    this.say(`${fault} failed: ${message}`);
    this.failures.push({ invariant: "I10", what: `${fault}: ${message}` });
  }

  private async comeToRest(bus: Bus): Promise<void> {
    const { load } = this;
    this.say(`clients stop writing; ${load.unanswered} messages have no answer yet`);
    await until("all nodes answer", () => isWhole(bus, this.parts.cluster), WHOLE_MS).catch((error: Error) =>
      this.say(error.message),
    );
    await this.expectRest("before the last words");
    load.writeLastWords();
    await this.expectRest("after the last words");
  }

  /** Expects that in the end every message is answered and shown, whatever was struck. */
  private async expectRest(when: string): Promise<void> {
    const unrest = await this.load.comesToRest(QUIET_MS);
    if (unrest === undefined) return;
    const what = `the cluster does not come to rest ${when}: ${unrest}`;
    this.say(what);
    this.failures.push({ invariant: "I10", what });
  }

  /** Reads the stores until there is no violation or the time is over: a store that is late is no violation yet. */
  private async judge(bus: Bus, memory: MemoryWatch): Promise<{ evidence: Evidence; violations: Violation[] }> {
    const { redis, mysql } = this.parts.cluster.servers;
    const { load, partitions } = this;
    const { userIds, readers, api } = load;
    const sources = { bus, redis: redis!, mysql: mysql!, partitions, userIds, readers, api };
    const deadline = performance.now() + STORES_MS;
    while (true) {
      const { messages, devices, revoked } = load.history;
      const stores = await readStores(sources);
      const evidence = { messages, devices, revoked, ...stores, views: load.views, peaks: memory.peaks };
      const violations = checkEvidence(evidence);
      if (violations.length === 0 || performance.now() > deadline) {
        return { evidence, violations: [...this.failures, ...violations] };
      }
      await sleep(2_000);
    }
  }

  private result(facts: RunFacts, violations: Violation[]): ScenarioResult {
    const { evidence, loadFrom, loadTo, strikes } = facts;
    const bounds = this.scenario.bounds.map((bound) => {
      const { what, unit, most, part = 1 } = bound;
      const seen = bound.seen(facts);
      const [median, worst] = [percentile(seen, 0.5), percentile(seen, part)].map(Math.round) as [number, number];
      return { what, unit, most, median, worst, ok: worst <= most };
    });
    return {
      scenario: this.scenario.name,
      row: this.scenario.row,
      seed: this.options.seed,
      seconds: Math.round((performance.now() - this.beganAt) / 1_000),
      strikes,
      bounds,
      violations,
      sent: evidence.messages.length,
      shown: evidence.devices.reduce((sum, { shown }) => sum + shown.length, 0),
      evidence,
      series: seriesOf(evidence, loadFrom),
      loadFrom,
      loadTo,
      ok: violations.length === 0 && strikes.length > 0 && bounds.every(({ ok }) => ok),
    };
  }

  private say(line: string): void {
    const seconds = ((performance.now() - this.beganAt) / 1_000).toFixed(1).padStart(6);
    this.options.say(`${seconds} s  ${this.scenario.name}: ${line}`);
  }
}
