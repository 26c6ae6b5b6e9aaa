/** Scenarios with a NATS cluster of three servers, which hold three copies of every stream and bucket. */

import type { FaultName } from "../inject/catalogue";
import { acknowledgedMeanwhile, leadersSpread, stallOfSends } from "../measure";
import { later, mergedPlan, once, steady } from "../plan";
import type { Scenario } from "../scenario";

const NATS_SERVERS = 3;
/** The bound while a leader lives. */
const STALL_MS = 6_000;
/**
 * The bound after the death of a leader. A follower waits 4 to 9 s for a dead leader, at random, before it stands for election:
 * the server (2.15.1) fixes that time. A partition waits for the slowest of three elections, of its queue, its log and its
 * consumer; then for a question without an answer, and for a new consumer.
 */
const ELECTION_MS = 9_000 + 4_000;
/** Time for which a dead server is away: longer than an election. */
const AWAY_MS = 14_000;
/** Time for which a server is away so that the others no longer wait for it. */
const LONG_AWAY_MS = 32_000;
/** Time for which all servers must be well before the first stream gets another leader. */
const CALM_SECONDS = 30;
/** Time until a returned server has caught up, then the calm time, then a dozen streams, one every 5 s, on a busy machine. */
const SPREAD_MS = 120_000;
/** Time for answers about messages that were stored when the majority died. */
const UNDER_WAY_MS = 500;

/** Time that is longer than all work of a server after its return. */
const WATCHED_MS = 45_000;

/** Time until the second fault, when the first is surely over. */
const twice = (fault: FaultName) =>
  mergedPlan(once([fault], 10_000, LONG_AWAY_MS), later(once([fault], 10_000, LONG_AWAY_MS), LONG_AWAY_MS + SPREAD_MS));

/** One server is away and returns, twice; its return may stop a partition for this time. */
function returning(name: string, fault: FaultName, stallMs: number): Scenario {
  return {
    name,
    row: "NATS server returns",
    natsServers: NATS_SERVERS,
    plan: twice(fault),
    bounds: [stallOfSends(stallMs, "healedAt"), leadersSpread(SPREAD_MS)],
    env: { CARILLON_API_SPREAD_LEADERS_SECONDS: String(CALM_SECONDS) },
    afterMs: WATCHED_MS,
  };
}

export const natsCluster: readonly Scenario[] = [
  {
    name: "nats-leader",
    row: "NATS server killed",
    natsServers: NATS_SERVERS,
    plan: steady(["kill nats leader"], { times: 3, everyMs: 26_000, holdMs: AWAY_MS }),
    bounds: [stallOfSends(ELECTION_MS)],
  },
  {
    name: "nats-follower",
    row: "NATS server killed",
    natsServers: NATS_SERVERS,
    plan: steady(["kill nats follower"], { times: 3, everyMs: 26_000, holdMs: AWAY_MS }),
    bounds: [stallOfSends(STALL_MS)],
  },
  returning("nats-returns", "nats server away and back", STALL_MS),
  returning("nats-goes-on", "nats server stands still and goes on", ELECTION_MS),
  {
    name: "nats-two-of-three",
    row: "NATS without majority",
    natsServers: NATS_SERVERS,
    plan: steady(["kill two nats servers"], { times: 2, everyMs: 36_000, holdMs: AWAY_MS }),
    bounds: [acknowledgedMeanwhile(0, UNDER_WAY_MS), stallOfSends(20_000, "healedAt")],
    afterMs: 20_000,
  },
  {
    name: "nats-all",
    row: "NATS without majority",
    natsServers: NATS_SERVERS,
    plan: steady(["kill all nats servers"], { times: 2, everyMs: 36_000, holdMs: 5_000 }),
    bounds: [acknowledgedMeanwhile(0, UNDER_WAY_MS), stallOfSends(20_000, "healedAt")],
    afterMs: 20_000,
  },
  {
    name: "nats-rolling",
    row: "NATS servers restarted",
    natsServers: NATS_SERVERS,
    plan: once(["roll nats servers"], 10_000, 0),
    bounds: [stallOfSends(STALL_MS)],
    afterMs: 10_000,
  },
];
