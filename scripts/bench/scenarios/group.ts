/**
 * A group, open loop: some members write at a fixed rate, all are online. In a group that is fanned out on write every
 * member gets every event. In a large one some look at the conversation and get every event, all others are told that
 * there is more; they fetch nothing here. Verified: each gets everything in order, or is told of the last number.
 */
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { type Account, describeAccount, startAccount } from "../account/account";
import { type BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { withCluster } from "../cluster/carillon-contestant";
import type { LoadClient } from "../generator/carillon/load-client";
import { runAhead } from "../generator/run-ahead";
import type { RunningContestant } from "../peers/contestant";
import { describeTimes, type Outcome, percentileCurve, percentiles, printResult, round } from "../report/result";
import { type Judged, judge } from "../report/targets";

const GROUP = "bench";
const CONTENT_BYTES = 100;
const WARM_UP_SECONDS = 4;
const QUIET_MS = 60_000;
const WRITERS = 4;
/** The event that made the group. */
const FIRST = 1;
/** A message that was sent so much later than it should have been says more of the generator than of the servers. */
const LATE_MS = 1;
/** Members of the groups that P5 and P6 are about. */
const WHOLE = { small: 500, large: 10_000 };

export interface GroupOptions extends ClusterShape {
  isLarge: boolean;
  members: number;
  /** Of a large group: members who look at it. */
  focused: number;
  /** Messages per second. */
  rate: number;
  seconds: number;
  json: boolean;
}

export function runGroup(options: GroupOptions): Promise<Outcome> {
  return withCluster(options, (cluster, server) => new GroupRun(options, cluster, server).measure());
}

const times = () => buildHistogram({ numberOfSignificantValueDigits: 3 });

class GroupRun {
  private clients: LoadClient[] = [];
  private readonly shown: Histogram = times();
  private readonly told: Histogram = times();
  private readonly lateness: Histogram = times();
  private readonly errors: string[] = [];
  /** When each message was due, by its number; one conversation, so they come back in this order. */
  private readonly dueAt: number[] = [];
  /** Last number that each member has, or was told of. */
  private reached: number[] = [];
  private measuring = false;
  private sent = 0;
  private acknowledged = 0;
  private events = 0;
  private notices = 0;

  constructor(
    private readonly options: GroupOptions,
    private readonly cluster: BenchCluster,
    private readonly server: RunningContestant,
  ) {}

  async measure(): Promise<Outcome> {
    await this.connect();
    const fallBehind = runAhead(process.pid);
    try {
      const { account, sent } = await this.load();
      fallBehind();
      const ok = await this.awaitQuiet();
      return this.report(account, sent, ok);
    } finally {
      fallBehind();
      for (const client of this.clients) client.close();
    }
  }

  private async load(): Promise<{ account: Account; sent: number }> {
    const { seconds, isLarge } = this.options;
    const stop = this.write();
    await this.wait(WARM_UP_SECONDS, "warming up");
    const finish = await startAccount(this.server, [process.pid]);
    const sentBefore = this.sent;
    this.measuring = true;
    await this.wait(seconds, "measuring");
    this.measuring = false;
    const sent = this.sent - sentBefore;
    const account = await finish(async () => (isLarge ? sent : this.events));
    stop();
    return { account, sent };
  }

  private async connect(): Promise<void> {
    const { members, focused, isLarge } = this.options;
    const names = Array.from({ length: members }, (_, i) => `bench-${i}`);
    await this.cluster.register(names);
    await this.cluster.makeGroup(GROUP, names, isLarge ? "read" : "write");
    this.reached = names.map(() => FIRST);
    this.clients = await this.cluster.connect(
      names,
      () => `g:${GROUP}`,
      (i) => ({
        onEvent: ({ seq }) => this.onEvent(i, seq),
        onNotify: (lastSeq) => this.onNotify(i, lastSeq),
        onSent: () => {
          this.acknowledged++;
        },
        onBusy: () => this.errors.push(`${names[i]}: BUSY`),
        onError: (what) => this.errors.push(`${names[i]}: ${what}`),
      }),
      FIRST,
    );
    if (isLarge) for (const client of this.clients.slice(0, focused)) client.focus(`g:${GROUP}`);
  }

  /** At the instants of the rate, whatever comes back. @returns ends it */
  private write(): () => void {
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      for (let due = this.dueOf(startedAt); due <= now; due = this.dueOf(startedAt)) {
        this.dueAt.push(due);
        if (this.measuring) this.lateness.recordValue(Math.max(1, Math.round((now - due) * 1_000)));
        this.clients[this.sent % WRITERS]!.send(`${this.sent} `.padEnd(CONTENT_BYTES, "x"));
        this.sent++;
      }
    }, 1);
    return () => clearInterval(timer);
  }

  private dueOf(startedAt: number): number {
    return startedAt + (this.sent * 1_000) / this.options.rate;
  }

  private onEvent(member: number, seq: number): void {
    this.reached[member] = seq;
    if (!this.measuring) return;
    this.events++;
    this.record(this.shown, seq);
  }

  private onNotify(member: number, lastSeq: number): void {
    const news = lastSeq - this.reached[member]!;
    this.reached[member] = Math.max(this.reached[member]!, lastSeq);
    if (!this.measuring || news <= 0) return;
    this.notices++;
    // The oldest message that it tells of has waited longest.
    this.record(this.told, lastSeq - news + 1);
  }

  private record(into: Histogram, seq: number): void {
    const due = this.dueAt[seq - FIRST - 1];
    if (due !== undefined) into.recordValue(Math.max(1, Math.round((performance.now() - due) * 1_000)));
  }

  /** A smaller group does not answer the targets. */
  private judge(account: Account, merged: number): Judged[] {
    const { isLarge, members } = this.options;
    if (members < (isLarge ? WHOLE.large : WHOLE.small)) return [];
    if (!isLarge) return [judge("P5", account.cpu)];
    return [judge("P6 p99", percentiles(this.shown).p99), judge("P6 merged", merged)];
  }

  private async wait(seconds: number, what: string): Promise<void> {
    for (let second = 1; second <= seconds; second++) {
      const before = this.events + this.notices;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      say(`${what} ${second}/${seconds} s: ${this.events + this.notices - before} deliveries and notices/s`);
      if (this.errors.length > 0) throw new Error(`the run failed: ${this.errors.slice(0, 3).join("; ")}`);
    }
  }

  private async awaitQuiet(): Promise<boolean> {
    const deadline = Date.now() + QUIET_MS;
    const isQuiet = () => this.acknowledged === this.sent && this.reached.every((seq) => seq === this.sent + FIRST);
    const isArchived = async () => (await this.cluster.archived()) === this.sent + FIRST;
    while (Date.now() < deadline && !(isQuiet() && (await isArchived()))) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return isQuiet() && this.errors.length === 0 && (await isArchived());
  }

  private report(account: Account, sent: number, isVerified: boolean): Outcome {
    const { options, events, notices } = this;
    const { members, focused, isLarge } = options;
    const late = this.lateness.getValueAtPercentile(99) / 1_000;
    const per = isLarge ? "message" : "delivery";
    const merged = isLarge ? round((sent * (members - focused)) / Math.max(1, notices)) : 0;
    const result = {
      scenario: isLarge ? "large-group" : "group",
      options,
      durability: "T2: fsync before SENT",
      sent,
      deliveries: events,
      notices,
      mergedPerNotice: merged,
      per,
      account,
      shownMs: percentiles(this.shown),
      ...(isLarge ? { toldMs: percentiles(this.told) } : {}),
      generatorLateMs: late,
      verified: { ok: isVerified, errors: this.errors.slice(0, 5) },
      targets: this.judge(account, merged),
      ok: isVerified,
    };
    const curves = [
      { label: "shown", points: percentileCurve(this.shown) },
      ...(isLarge ? [{ label: "told", points: percentileCurve(this.told) }] : []),
    ];
    const lines = [
      `${isLarge ? "large group" : "group"} of ${members}, all online, ${options.rate} messages a second, T2 (fsync before SENT)`,
      `  deliveries ${events}, ${describeTimes(result.shownMs)} (due to received)`,
      ...(isLarge
        ? [`  told       ${notices} times of ${merged} messages each, ${describeTimes(percentiles(this.told))}`]
        : []),
      ...describeAccount(account, per),
      `  ${isVerified ? "verified" : "NOT VERIFIED"}: each member has, or was told of, all ${this.sent} messages, in order`,
      ...(late > LATE_MS ? [`  the generator was late: p99 ${late} ms, the times say too much`] : []),
    ];
    return printResult(result, { lines, curves, accounts: [{ name: result.scenario, per, account }] }, options.json);
  }
}
