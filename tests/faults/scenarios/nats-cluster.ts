/** NATS is a cluster of three servers, which hold three copies of every stream and bucket. */

import type { FaultName } from "../inject/catalogue";
import { acknowledgedMeanwhile, leadersSpread, stallOfSends } from "../measure";
import { later, mergedPlan, once, steady } from "../plan";
import type { Scenario } from "../scenario";

const NATS_SERVERS = 3;
/** As long as a leader lives. */
const STALL_MS = 6_000;
/**
 * Who followed a leader that died waits 4 to 9 s for it, by chance, before it stands for election: that is fixed in the
 * server (2.15.1). A partition waits for the slowest of three elections, of its queue, its log and its consumer; then for
 * a question that was just asked in vain, and for a new consumer.
 */
const ELECTION_MS = 9_000 + 4_000;
/** A server that died is away for longer than an election takes. */
const AWAY_MS = 14_000;
/** So long that the others no longer wait for it. */
const LONG_AWAY_MS = 32_000;
/** All are well for so long before the first stream gets another leader. */
const CALM_SECONDS = 30;
/** Until one that is back is level, then calm, then a dozen streams, one each 5 s; beside other work on the machine. */
const SPREAD_MS = 120_000;
/** What was on its way when the majority died: stored already, and not yet told. */
const UNDER_WAY_MS = 500;

/** Longer than anything that a server does after its return. */
const WATCHED_MS = 45_000;

/** The second one when the first is surely over. */
const twice = (fault: FaultName) =>
  mergedPlan(once([fault], 10_000, LONG_AWAY_MS), later(once([fault], 10_000, LONG_AWAY_MS), LONG_AWAY_MS + SPREAD_MS));

/** One server is away and comes back, twice; its return may stop a partition for so long. */
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
