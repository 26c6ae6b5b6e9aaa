/** NATS is a cluster of three servers, which hold three copies of every stream and bucket. */
import { acknowledgedMeanwhile, stallOfSends } from "../measure";
import { once, steady } from "../plan";
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
/** What was on its way when the majority died: stored already, and not yet told. */
const UNDER_WAY_MS = 500;

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
