/** Measures a run: times and counts from its history, for comparison with the bounds of the fault matrix. Pure. */
import { partitionOf } from "@carillon/base";
import type { Evidence, SentMessage } from "@carillon/testkit";

/** A fault that struck. */
export interface Strike {
  fault: string;
  on: string;
  /** ms of the clock of the history. */
  struckAt: number;
  healedAt: number;
  /** Time until the cluster had made up for the fault, if the fault reports it, ms. */
  madeUpMs?: number;
}

export interface RunFacts {
  evidence: Evidence;
  strikes: Strike[];
  partitions: number;
  /** The time of the load, ms. */
  loadFrom: number;
  loadTo: number;
}

export interface Bound {
  what: string;
  unit: "ms" | "times";
  most: number;
  /** Part of all values that must be within the bound; default: all. */
  part?: number;
  /** The values for a bound, one for each strike and target. */
  seen(facts: RunFacts): number[];
}

type Moment = "struckAt" | "healedAt";

/** Returns the longest time without an event between two moments, including the time from the first moment on. */
export function longestSilence(times: readonly number[], from: number, to: number): number {
  let [last, longest] = [from, 0];
  for (const time of [...times.filter((each) => each > from && each < to).sort((a, b) => a - b), to]) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return longest;
}

/** Returns the value below which the given part of all lies; 0 for an empty list. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

/** Returns the time from that moment of each strike to the next strike, or to the end of the load. */
function windows({ strikes, loadTo }: RunFacts, since: Moment): [number, number][] {
  const strikesAt = strikes.map(({ struckAt }) => struckAt);
  return strikes
    .map((strike): [number, number] => [
      strike[since],
      Math.min(loadTo, ...strikesAt.filter((at) => at > strike.struckAt)),
    ])
    .filter(([from, to]) => from < to);
}

/** Longest time in which a partition acknowledged nothing after a strike (or its healing): the worst partition of each strike. */
export function stallOfSends(most: number, since: Moment = "struckAt"): Bound {
  const seen = (facts: RunFacts) => {
    const answers: number[][] = Array.from({ length: facts.partitions }, () => []);
    for (const { conversationId, answers: own } of facts.evidence.messages) {
      if (own[0] !== undefined) answers[partitionOf(conversationId, facts.partitions)]!.push(own[0].at);
    }
    return windows(facts, since).map(([from, to]) => Math.max(...answers.map((at) => longestSilence(at, from, to))));
  };
  return { what: `a partition acknowledged nothing, ${describe(since)}`, unit: "ms", most, seen };
}

/** Longest time in which a device received nothing after a strike (or its healing): the worst device of each strike. */
export function stallOfDelivery(most: number, since: Moment = "struckAt"): Bound {
  const seen = (facts: RunFacts) => {
    const shown = facts.evidence.devices.map((device) => device.shown.map(({ at }) => at));
    return windows(facts, since).map(([from, to]) => Math.max(...shown.map((at) => longestSilence(at, from, to))));
  };
  return { what: `a device received nothing, ${describe(since)}`, unit: "ms", most, seen };
}

/** Time from the strike until a client that lost its connection is online again: p99. */
export function resumption(most: number): Bound {
  return { what: "until a client is back, p99", unit: "ms", most, part: 0.99, seen: timesToReturn };
}

/** The same time for the slowest client. */
export function lastReturn(most: number): Bound {
  return { what: "until the last client is back", unit: "ms", most, seen: timesToReturn };
}

function timesToReturn(facts: RunFacts): number[] {
  const times: number[] = [];
  for (const [from, to] of windows(facts, "struckAt")) {
    for (const { changes } of facts.evidence.devices) {
      const lost = changes.findIndex(({ at, online }) => !online && at >= from && at < to);
      if (lost < 0) continue;
      const back = changes.slice(lost).find(({ online }) => online);
      times.push((back?.at ?? facts.loadTo) - from);
    }
  }
  return times;
}

/** Time from the moment when an app sends a message during a fault until the message has its number: p99. */
export function sendTime(most: number): Bound {
  const seen = (facts: RunFacts) =>
    sentMeanwhile(facts).map(({ sentAt, answers }) => (answers[0]?.at ?? Number.POSITIVE_INFINITY) - sentAt);
  return { what: "from a send to its number, p99", unit: "ms", most, part: 0.99, seen };
}

/** Messages that the SDK reported to an app as not sent, although another gateway served. */
export function failedSends(most: number): Bound {
  const seen = (facts: RunFacts) => [sentMeanwhile(facts).filter(({ refusals }) => refusals.length > 0).length];
  return { what: "messages reported as not sent", unit: "times", most, seen };
}

function sentMeanwhile({ evidence, strikes }: RunFacts): SentMessage[] {
  const isMeanwhile = (at: number) => strikes.some(({ struckAt, healedAt }) => at >= struckAt && at < healedAt);
  return evidence.messages.filter(({ sentAt }) => isMeanwhile(sentAt));
}

/** Connections that ended while clients wrote. */
export function disconnects(most: number): Bound {
  const seen = ({ evidence, loadFrom, loadTo }: RunFacts) => [
    evidence.devices.flatMap(({ changes }) =>
      changes.filter(({ at, online }) => !online && at > loadFrom && at < loadTo),
    ).length,
  ];
  return { what: "connections lost", unit: "times", most, seen };
}

/**
 * Messages acknowledged for the first time between strike and healing, when nothing may be.
 * @param underWayMs time after the strike in which answers about messages stored before it may still arrive, ms
 */
export function acknowledgedMeanwhile(most: number, underWayMs = 0): Bound {
  const seen = ({ evidence, strikes }: RunFacts) =>
    strikes.map(
      ({ struckAt, healedAt }) =>
        evidence.messages.filter(
          ({ answers }) => answers[0] && answers[0].at > struckAt + underWayMs && answers[0].at < healedAt,
        ).length,
    );
  return { what: "messages acknowledged while nothing can be stored", unit: "times", most, seen };
}

/** Time from the healing until the archive had every message that was acknowledged before the healing. */
export function catchUp(most: number): Bound {
  return { what: "until the archive has caught up", unit: "ms", most, seen: timesToMakeUp };
}

/** Time from the return of a NATS server until no other server leads far more than its share. */
export function leadersSpread(most: number): Bound {
  return { what: "until no NATS server leads too much", unit: "ms", most, seen: timesToMakeUp };
}

function timesToMakeUp({ strikes }: RunFacts): number[] {
  return strikes.map(({ madeUpMs }) => madeUpMs ?? Number.POSITIVE_INFINITY);
}

/**
 * Time from the api's answer that a device's tokens are void until the device's connection was closed.
 * @param confirmed true: the api said that the connection is closed; false: it could not reach a gateway, or died before its answer
 */
export function closings(most: number, confirmed: boolean): Bound {
  const seen = ({ evidence }: RunFacts) =>
    evidence.revoked
      .filter(({ isConfirmed }) => isConfirmed === confirmed)
      .map(({ answeredAt, closedAt = Number.POSITIVE_INFINITY }) => Math.max(0, closedAt - answeredAt));
  const what = confirmed
    ? "until a revoked device is closed"
    : "until a device is closed whose gateway was not reached";
  return { what, unit: "ms", most, seen };
}

/** Partitions that got another owner while clients wrote. */
export function takeOvers(most: number): Bound {
  const seen = ({ evidence, loadFrom, loadTo }: RunFacts) => [
    evidence.log.filter(({ kind, at }) => kind === "epoch" && at > loadFrom && at < loadTo).length,
  ];
  return { what: "partitions taken over", unit: "times", most, seen };
}

function describe(since: Moment): string {
  return since === "struckAt" ? "from the strike on" : "from the healing on";
}
