/**
 * Private messages at one server or at several in turns: `private` is a closed loop, which shows the cost of a message and
 * the maximum rate; `latency` is an open loop at half of that rate, which shows the time of a message. Several rounds give a
 * median.
 */
import { describeAccount } from "../account/account";
import { say } from "../cluster/bench-cluster";
import type { Contestant } from "../peers/contestant";
import { describeProfile } from "../report/profile";
import { describeTimes, type Outcome, printResult, type Shown } from "../report/result";
import { describeSummary, median, ratios, summarise } from "../report/summary";
import { type Judged, judge } from "../report/targets";
import { type Measured, measureOnce, type OneToOneOptions } from "./one-to-one";

/** P12 counts stored messages of this size. */
const STORED_MESSAGE_BYTES = 200;

export interface PrivateOptions extends OneToOneOptions {
  rounds: number;
  json: boolean;
}

/** The results of all rounds of a run. */
export interface PrivateResult {
  scenario: "private" | "latency";
  options: PrivateOptions;
  contestants: { name: string; tier: string; description: string }[];
  runs: Measured[];
  /** Contestants that could not be measured, with the round and the reason. */
  leftOut: { name: string; round: number; why: string }[];
  targets: Judged[];
  ok: boolean;
}

/** Measures all contestants in turns, and prints and keeps the result. */
export async function runPrivate(contestants: Contestant[], options: PrivateOptions): Promise<Outcome> {
  const result = await measurePrivate(contestants, options);
  return printResult(result, { lines: describePrivate(result), ...chartsOf(result) }, options.json);
}

/** Runs round by round, one contestant after the other. A peer that cannot be had or fails is left out from then on. */
export async function measurePrivate(all: Contestant[], options: PrivateOptions): Promise<PrivateResult> {
  const runs: Measured[] = [];
  const leftOut: PrivateResult["leftOut"] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const contestant of all) {
      if (leftOut.some(({ name }) => name === contestant.name)) continue;
      try {
        runs.push(await measureOnce(contestant, round, options));
      } catch (error) {
        if (contestant === all[0]) throw error;
        const why = (error as Error).message;
        say(`${contestant.name} is left out: ${why}`);
        leftOut.push({ name: contestant.name, round, why });
      }
    }
  }
  const contestants = all.filter(({ name }) => runs.some(({ contestant }) => contestant === name));
  return {
    scenario: options.rate === undefined ? "private" : "latency",
    options,
    contestants: contestants.map((each) => ({ name: each.name, tier: each.tier, description: each.describe() })),
    runs,
    leftOut,
    targets: judgePrivate(runs),
    ok: runs.every(({ verified }) => verified.ok),
  };
}

/** Judges Carillon's own rounds; a latency that was measured late is not judged. */
function judgePrivate(runs: Measured[]): Judged[] {
  const own = runs.filter(({ contestant }) => contestant === "carillon");
  const of = (value: (run: Measured) => number, among = own) => summarise(among.map(value)).median;
  if (own.length === 0) return [];
  if (own[0]!.loop === "open") {
    const inTime = own.filter(({ isInTime }) => isInTime);
    if (inTime.length === 0) return [];
    return [
      judge(
        "P3 p50",
        of(({ latencyMs }) => latencyMs.p50, inTime),
      ),
      judge(
        "P3 p99",
        of(({ latencyMs }) => latencyMs.p99, inTime),
      ),
    ];
  }
  const cpus = own.map(({ account }) => account.cpu);
  const ejabberd = bestOf("ejabberd", runs);
  return [
    judge("P1", summarise(cpus).median),
    judge(
      "P2",
      of(({ deliveredPerSecond }) => deliveredPerSecond),
    ),
    ...(ejabberd.length === 0 ? [] : [judge("P4", ratios(cpus, ejabberd).median)]),
    judge("P12", of(({ account }) => account.writtenBytes) / STORED_MESSAGE_BYTES),
  ];
}

/** Returns the middle round of each contestant, for charts. */
export function chartsOf({ contestants, runs }: PrivateResult): Pick<Shown, "accounts" | "curves"> {
  const middle = contestants.map(({ name }) => medianRun(runs.filter(({ contestant }) => contestant === name)));
  return {
    accounts: middle.map(({ contestant, account }) => ({ name: contestant, per: "message", account })),
    curves: middle.map(({ contestant, curve }) => ({ label: contestant, points: curve })),
  };
}

/** Returns the CPU per message in the rounds of a peer; of several client counts, the one at which the peer uses least. */
function bestOf(peer: string, runs: Measured[]): number[] {
  const counts = new Map<string, number[]>();
  for (const { contestant, account } of runs) {
    if (contestant !== peer && !contestant.startsWith(`${peer} `)) continue;
    counts.set(contestant, [...(counts.get(contestant) ?? []), account.cpu]);
  }
  return [...counts.values()].sort((a, b) => median(a) - median(b))[0] ?? [];
}

/** Describes the results in lines for people. */
export function describePrivate({ scenario, options, contestants, runs, leftOut }: PrivateResult): string[] {
  const closed = `closed loop by ${options.closedBy === "sent" ? "SENT" : "receipt"}, ${options.inFlight} each under way`;
  const loop = scenario === "private" ? closed : "open loop";
  return [
    `private messages, ${options.clients} clients, ${loop}, ${options.rounds} x ${options.seconds} s`,
    ...contestants.flatMap(({ name, tier, description }) => [
      `${name} (${tier}): ${description}`,
      ...describeRuns(runs.filter(({ contestant }) => contestant === name)),
    ]),
    ...describeRatios(runs, contestants),
    ...leftOut.map(({ name, round, why }) => `  ${name} was left out from round ${round} on: ${why}`),
  ];
}

function describeRuns(runs: Measured[]): string[] {
  const summary = (value: (run: Measured) => number, digits = 1) => describeSummary(summarise(runs.map(value)), digits);
  const typical = medianRun(runs);
  const from = typical.loop === "closed" ? "send" : "due";
  return [
    ...(typical.rate === undefined ? [] : [`  due         ${summary(({ rate }) => rate!, 0)} per second`]),
    `  delivered   ${summary(({ deliveredPerSecond }) => deliveredPerSecond, 0)} per second`,
    `  SENT        ${summary(({ sentPerSecond }) => sentPerSecond, 0)} per second`,
    `  CPU         ${summary(({ account }) => account.cpu)} us per message, all servers`,
    `  p50         ${summary(({ latencyMs }) => latencyMs.p50)} ms, p99 ${summary(({ latencyMs }) => latencyMs.p99)} ms (${from} to received)`,
    ...(runs.length > 1 ? [`  of round ${typical.round}, the median:`] : []),
    `  latency     ${describeTimes(typical.latencyMs)}`,
    ...describeAccount(typical.account),
    ...Object.entries(typical.profiles ?? {}).flatMap(([kind, profile]) => describeProfile(kind, profile)),
    ...runs.flatMap(describeVerdict),
  ];
}

/** Returns the round whose CPU per message is in the middle. */
function medianRun(runs: Measured[]): Measured {
  return [...runs].sort((a, b) => a.account.cpu - b.account.cpu)[(runs.length - 1) >> 1]!;
}

function describeVerdict({ round, lateMs, isInTime, verified }: Measured): string[] {
  const { ok, sent, accepted, received, archived, repeated, errors } = verified;
  const late = isInTime ? "" : ": THE LATENCY DOES NOT COUNT";
  return [
    ...(lateMs === undefined ? [] : [`  generator   late by p99 ${lateMs.toFixed(2)} ms in round ${round}${late}`]),
    `  ${ok ? "verified" : "NOT VERIFIED"}: sent ${sent}, accepted ${accepted}, received ${received}, archived ${archived ?? "(no archive)"}; asked to repeat ${repeated}`,
    ...errors.slice(0, 3).map((error) => `    ${error}`),
  ];
}

/** Compares each of the other contestants with the first one, round by round. */
function describeRatios(runs: Measured[], contestants: { name: string }[]): string[] {
  const [first, ...others] = contestants.map(({ name }) => name);
  const cpus = (name: string) => runs.filter(({ contestant }) => contestant === name).map(({ account }) => account.cpu);
  return others.map((name) => {
    const ratio = ratios(cpus(name), cpus(first!));
    return `  ${name} uses ${describeSummary(ratio, 2)} times the CPU of ${first} per message`;
  });
}
