/**
 * A group, open loop: some members write at a fixed rate, all are online. In a group with fan-out on write every member gets
 * every event. In a large group some members look at the conversation and get every event; all others receive notices that
 * there is more, and fetch nothing here. The run verifies that each member gets every event in order, or a notice of the
 * last number.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { type Account, describeAccount, startAccount } from "../account/account";
import { type BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { withCluster } from "../cluster/carillon-contestant";
import { machineNow, ofMachine } from "../generator/group/clock";
import { GroupCrowd } from "../generator/group/group-crowd";
import { FIRST_SEQ, type MemberCounts, type MemberTimes } from "../generator/group/members";
import { runAhead } from "../generator/run-ahead";
import { Schedule } from "../generator/schedule";
import { startTicks } from "../generator/ticks";
import type { RunningContestant } from "../peers/contestant";
import { describeTimes, type Outcome, percentileCurve, percentiles, printResult, round } from "../report/result";
import { type Judged, judge } from "../report/targets";

const GROUP = "bench";
const CONTENT_BYTES = 100;
const WARM_UP_SECONDS = 4;
const QUIET_MS = 60_000;
const WRITERS = 4;
/** Time until all processes know when the first message is due. */
const LEAD_MS = 500;
/** A message that was sent this late says more about the generator than about the servers. */
const LATE_MS = 1;
/** Numbers of members in the groups of P5 and P6. */
const WHOLE = { small: 500, large: 10_000 };

export interface GroupOptions extends ClusterShape {
  isLarge: boolean;
  members: number;
  /** Members who look at a large group. */
  focused: number;
  /** Messages per second. */
  rate: number;
  seconds: number;
  json: boolean;
}

export function runGroup(options: GroupOptions): Promise<Outcome> {
  return withCluster(options, (cluster, server) => new GroupRun(options, cluster, server).measure());
}

/** The results of the measured time. */
interface Seen {
  sent: number;
  counts: MemberCounts;
  times: MemberTimes;
  account: Account;
}

class GroupRun {
  private readonly crowd = new GroupCrowd(`g:${GROUP}`);
  private readonly lateness: Histogram = buildHistogram({ numberOfSignificantValueDigits: 3 });
  private isMeasuring = false;
  private sent = 0;

  constructor(
    private readonly options: GroupOptions,
    private readonly cluster: BenchCluster,
    private readonly server: RunningContestant,
  ) {}

  async measure(): Promise<Outcome> {
    try {
      await this.connect();
      const seen = await this.load();
      return this.report(seen, await this.awaitQuiet());
    } finally {
      this.crowd.close();
    }
  }

  private async load(): Promise<Seen> {
    const { crowd, options } = this;
    const fallBehind = crowd.pids.map(runAhead);
    try {
      const stop = await this.write();
      await this.wait(WARM_UP_SECONDS, "warming up");
      const finish = await startAccount(this.server, crowd.pids);
      const sentBefore = this.sent;
      await this.setMeasuring(true);
      await this.wait(options.seconds, "measuring");
      await this.setMeasuring(false);
      const sent = this.sent - sentBefore;
      const counts = await crowd.progress(this.sent);
      const account = await finish(async () => (options.isLarge ? sent : counts.events));
      stop();
      return { sent, counts, account, times: await crowd.times() };
    } finally {
      for (const end of fallBehind) end();
    }
  }

  private async setMeasuring(isMeasuring: boolean): Promise<void> {
    this.isMeasuring = isMeasuring;
    await this.crowd.measure(isMeasuring);
  }

  private async connect(): Promise<void> {
    const { members, focused, isLarge } = this.options;
    const names = Array.from({ length: members }, (_, i) => `bench-${i}`);
    await this.cluster.register(names);
    await this.cluster.makeGroup(GROUP, names, isLarge ? "read" : "write");
    say(`connecting ${members} clients over TCP`);
    const specs = names.map((userId, i) => {
      const { tcp, token } = this.cluster.access(userId);
      return { userId, tcp, token, isFocused: isLarge && i < focused };
    });
    await this.crowd.open(specs, WRITERS);
  }

  /** Sends at the instants of the rate, whatever comes back. @returns a function that ends it */
  private async write(): Promise<() => void> {
    const startedAt = ofMachine(Math.ceil(performance.now()) + LEAD_MS);
    const perSecond = this.options.rate;
    await this.crowd.expect({ perSecond, startedAt });
    const schedule = new Schedule(perSecond, startedAt);
    return startTicks(() => {
      const now = machineNow();
      schedule.run(now, (index, due) => {
        if (this.isMeasuring) this.lateness.recordValue(Math.max(1, Math.round((now - due) * 1_000)));
        this.crowd.send(index % WRITERS, `${index} `.padEnd(CONTENT_BYTES, "x"));
        this.sent++;
      });
    });
  }

  /** A smaller group does not answer the targets. */
  private judge({ account, times }: Seen, merged: number): Judged[] {
    const { isLarge, members } = this.options;
    if (members < (isLarge ? WHOLE.large : WHOLE.small)) return [];
    if (!isLarge) return [judge("P5", account.cpu)];
    return [judge("P6 p99", percentiles(times.shown).p99), judge("P6 merged", merged)];
  }

  private async wait(seconds: number, what: string): Promise<void> {
    const delivered = ({ events, notices }: MemberCounts) => events + notices;
    let before = delivered(await this.crowd.progress(this.sent));
    for (let second = 1; second <= seconds; second++) {
      await sleep(1_000);
      const counts = await this.crowd.progress(this.sent);
      const { errors } = counts;
      say(`${what} ${second}/${seconds} s: ${delivered(counts) - before} deliveries and notices/s`);
      before = delivered(counts);
      if (errors.length > 0) throw new Error(`the run failed: ${errors.slice(0, 3).join("; ")}`);
    }
  }

  /** @returns the faults; none if each member has every event or a notice of it, and the archive has every event, too */
  private async awaitQuiet(): Promise<string[]> {
    const deadline = Date.now() + QUIET_MS;
    const wanted = this.sent + FIRST_SEQ;
    while (true) {
      const { behind, errors } = await this.crowd.progress(this.sent);
      const archived = await this.cluster.archived();
      if (errors.length > 0) return errors.slice(0, 5);
      if (this.crowd.accepted === this.sent && behind === 0 && archived === wanted) return [];
      if (Date.now() >= deadline) {
        return [
          `accepted ${this.crowd.accepted} of ${this.sent}, members behind ${behind}, archived ${archived} of ${wanted}`,
        ];
      }
      await sleep(200);
    }
  }

  private report(seen: Seen, errors: string[]): Outcome {
    const { options } = this;
    const { account, sent, counts, times } = seen;
    const { members, focused, isLarge } = options;
    const late = this.lateness.getValueAtPercentile(99) / 1_000;
    const per = isLarge ? "message" : "delivery";
    const merged = isLarge ? round((sent * (members - focused)) / Math.max(1, counts.notices)) : 0;
    const isVerified = errors.length === 0;
    const result = {
      scenario: isLarge ? "large-group" : "group",
      options,
      durability: "T2: fsync before SENT",
      sent,
      deliveries: counts.events,
      notices: counts.notices,
      mergedPerNotice: merged,
      per,
      account,
      shownMs: percentiles(times.shown),
      ...(isLarge ? { toldMs: percentiles(times.told) } : {}),
      generatorLateMs: late,
      verified: { ok: isVerified, errors },
      targets: this.judge(seen, merged),
      ok: isVerified,
    };
    const curves = [
      { label: "shown", points: percentileCurve(times.shown) },
      ...(isLarge ? [{ label: "told", points: percentileCurve(times.told) }] : []),
    ];
    const verdict = isVerified ? "verified" : `NOT VERIFIED (${errors.join("; ")})`;
    const lines = [
      `${isLarge ? "large group" : "group"} of ${members}, all online, ${options.rate} messages a second, T2 (fsync before SENT)`,
      `  deliveries ${counts.events}, ${describeTimes(result.shownMs)} (due to received)`,
      ...(isLarge
        ? [`  told       ${counts.notices} times of ${merged} messages each, ${describeTimes(percentiles(times.told))}`]
        : []),
      ...describeAccount(account, per),
      `  ${verdict}: each member has, or was told of, all ${this.sent} messages, in order`,
      ...(late > LATE_MS ? [`  the generator was late: p99 ${late} ms, the times say too much`] : []),
    ];
    return printResult(result, { lines, curves, accounts: [{ name: result.scenario, per, account }] }, options.json);
  }
}
