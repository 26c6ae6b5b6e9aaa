/** Every scenario of the fault machine: a row of the matrix, its faults, its bounds. */
import path from "node:path";
import type { FaultName } from "./inject/catalogue";
import { POISON } from "./inject/load-faults";
import {
  acknowledgedMeanwhile,
  catchUp,
  disconnects,
  lastReturn,
  resumption,
  stallOfDelivery,
  stallOfSends,
  takeOvers,
} from "./measure";
import { mixedPlan, type Rhythm, steadyPlan } from "./plan";
import type { Scenario } from "./scenario";

/** Life of a node's record (libs/coordination). */
const TTL_MS = 10_000;
const PAUSE_MS = 30_000;
const DOWN_MS = 60_000;

const steady = (faults: readonly FaultName[], rhythm: Omit<Rhythm, "faults">) => (seed: number) =>
  steadyPlan({ ...rhythm, faults }, seed);

/** One strike of each. */
const once = (faults: readonly FaultName[], everyMs: number, holdMs: number) =>
  steady(faults, { times: faults.length, everyMs, holdMs });

const processes: Scenario[] = [
  {
    name: "kill-gateway",
    row: "gateway killed",
    plan: steady(["kill gateway"], { times: 3, everyMs: 10_000, holdMs: 0 }),
    bounds: [resumption(5_000)],
  },
  {
    name: "gateway-fail-points",
    row: "gateway killed",
    plan: once(
      [
        "gateway dies at receive.after",
        "gateway dies at submit.after",
        "gateway dies at deliver.before",
        "gateway dies at deliver.after",
      ],
      10_000,
      0,
    ),
    bounds: [resumption(5_000)],
  },
  {
    name: "kill-worker",
    row: "worker killed",
    plan: steady(["kill worker"], { times: 6, everyMs: 15_000, holdMs: 0 }),
    load: { rate: 600 },
    bounds: [stallOfSends(3_000)],
  },
  {
    name: "worker-fail-points",
    row: "worker killed",
    plan: once(
      [
        "worker dies at consume.before",
        "worker dies at consume.after",
        "worker dies at decide.before",
        "worker dies at decide.after",
        "worker dies at append.before",
        "worker dies at append.after",
        "worker dies at acknowledge.before",
        "worker dies at acknowledge.after",
        "worker dies at fan-out.before",
        "worker dies at fan-out.after",
      ],
      15_000,
      0,
    ),
    bounds: [stallOfSends(3_000)],
  },
  {
    name: "kill-archiver",
    row: "archiver killed",
    plan: once(
      ["kill archiver", "archiver dies at read.after", "archiver dies at write.before", "archiver dies at write.after"],
      5_000,
      0,
    ),
    bounds: [stallOfSends(1_000)],
  },
  {
    name: "pause-nodes",
    row: "nodes paused",
    plan: once(["pause worker", "pause gateway", "pause archiver"], 2.5 * TTL_MS, 2 * TTL_MS),
    bounds: [stallOfSends(5_000)],
  },
  {
    name: "pause-worker-at-points",
    row: "nodes paused",
    plan: once(
      ["pause worker before append", "pause worker after append", "pause worker in fan-out"],
      2.5 * TTL_MS,
      2 * TTL_MS,
    ),
    bounds: [stallOfSends(5_000)],
  },
];

const stores: Scenario[] = [
  {
    name: "kill-nats",
    row: "NATS killed",
    plan: steady(["kill nats"], { times: 3, everyMs: 12_000, holdMs: 0 }),
    load: { rate: 600 },
    bounds: [stallOfSends(6_000)],
  },
  {
    name: "pause-nats",
    row: "stores paused",
    plan: once(["pause nats"], PAUSE_MS + 15_000, PAUSE_MS),
    bounds: [stallOfSends(10_000, "healedAt"), takeOvers(0), disconnects(4)],
    afterMs: 15_000,
  },
  {
    name: "pause-redis",
    row: "stores paused",
    plan: once(["pause redis"], PAUSE_MS + 10_000, PAUSE_MS),
    bounds: [stallOfSends(3_000), stallOfDelivery(10_000, "healedAt"), takeOvers(0), disconnects(4)],
    afterMs: 10_000,
  },
  {
    name: "pause-mysql",
    row: "stores paused",
    plan: once(["pause mysql"], PAUSE_MS + 10_000, PAUSE_MS),
    bounds: [stallOfSends(3_000), takeOvers(0), disconnects(4)],
  },
  {
    name: "wipe-redis",
    row: "Redis wiped",
    plan: steady(["wipe redis"], { times: 3, everyMs: 10_000, holdMs: 0 }),
    bounds: [stallOfSends(3_000), stallOfDelivery(10_000)],
    afterMs: 10_000,
  },
  {
    name: "kill-redis",
    row: "Redis killed",
    plan: once(["kill redis", "age redis", "kill redis"], 10_000, 0),
    bounds: [stallOfSends(3_000), stallOfDelivery(10_000)],
    afterMs: 10_000,
  },
  {
    name: "strange-nats",
    row: "stores restored",
    plan: once(["empty nats", "older nats"], 25_000, 8_000),
    bounds: [acknowledgedMeanwhile(0)],
    afterMs: 12_000,
  },
  {
    name: "strange-mysql",
    row: "stores restored",
    plan: once(["empty mysql", "older mysql"], 15_000, 6_000),
    bounds: [stallOfSends(10_000, "healedAt")],
    afterMs: 12_000,
  },
  {
    name: "mysql-down",
    row: "MySQL down",
    plan: once(["stop mysql"], DOWN_MS + 10_000, DOWN_MS),
    // Backlog and new messages together in half the time of the outage: three times what arrives.
    bounds: [stallOfSends(3_000), catchUp(DOWN_MS / 2)],
    afterMs: 10_000,
  },
];

const links: Scenario[] = [
  {
    name: "cut-links",
    row: "links cut",
    links: true,
    plan: once(["cut worker-nats", "cut gateway-nats", "cut worker-redis", "cut archiver-mysql"], 14_000, 8_000),
    bounds: [stallOfDelivery(10_000, "healedAt")],
    afterMs: 10_000,
  },
  {
    name: "silence-links",
    row: "links cut",
    links: true,
    plan: once(
      [
        "silence worker-nats",
        "silence worker to nats",
        "silence nats to worker",
        "silence gateway to nats",
        "silence nats to gateway",
        "silence worker to redis",
        "silence redis to worker",
      ],
      16_000,
      8_000,
    ),
    bounds: [stallOfDelivery(15_000, "healedAt")],
    afterMs: 15_000,
  },
  {
    name: "cut-redis-for-long",
    row: "link cut for long",
    links: true,
    plan: once(["cut all workers-redis"], 100_000, 90_000),
    bounds: [stallOfSends(3_000), stallOfDelivery(20_000, "healedAt")],
    env: { CARILLON_LOGIC_REPLAY_WINDOW_SECONDS: "60" },
    load: { rate: 100 },
    afterMs: 20_000,
  },
  {
    name: "lost-acknowledgements",
    row: "acknowledgements lost",
    links: true,
    plan: once(
      ["silence nats to worker", "silence nats to gateway", "slow worker-nats", "silence nats to worker"],
      10_000,
      3_000,
    ),
    bounds: [stallOfSends(10_000)],
    afterMs: 8_000,
  },
];

const cluster: Scenario[] = [
  {
    name: "rolling-restart",
    row: "nodes come and go",
    plan: once(["roll workers", "roll gateways", "roll archivers"], 5_000, 0),
    bounds: [stallOfSends(5_000)],
  },
  {
    name: "join-and-leave",
    row: "nodes come and go",
    plan: once(["join worker", "join gateway", "join archiver"], 20_000, 6_000),
    bounds: [stallOfSends(5_000)],
  },
  {
    name: "all-clients-cut",
    row: "all clients cut",
    plan: steady(["kill all gateways"], { times: 1, everyMs: 30_000, holdMs: 0 }),
    load: { sdkPairs: 120, rawPairs: 30, rate: 300 },
    bounds: [lastReturn(30_000)],
    afterMs: 25_000,
  },
];

const pressure: Scenario[] = [
  {
    name: "slow-reader",
    row: "slow reader, hot conversation",
    plan: once(["slow reader", "hot conversation", "slow reader"], 12_000, 10_000),
    bounds: [stallOfSends(1_000)],
  },
  {
    name: "clock",
    row: "clock shifted",
    plan: once(["shift worker clock", "shift gateway clock", "shift archiver clock"], 10_000, 4_000),
    bounds: [stallOfSends(1_000), takeOvers(0), disconnects(0)],
    env: { NODE_OPTIONS: `--require ${path.join(__dirname, "inject", "clock-preload.cjs")}` },
  },
  {
    name: "stream-full",
    row: "stream full",
    plan: once(["large contents"], 30_000, 25_000),
    bounds: [],
    env: { CARILLON_NATS_STREAM_MEGABYTES: "8", CARILLON_LOGIC_REPLAY_WINDOW_SECONDS: "60" },
    afterMs: 15_000,
  },
  {
    name: "disk-full",
    row: "disk full",
    disk: "small",
    plan: once(["fill disk"], 20_000, 10_000),
    bounds: [stallOfSends(20_000, "healedAt")],
    env: { CARILLON_NATS_STREAM_MEGABYTES: "8" },
    afterMs: 15_000,
  },
  {
    name: "power-loss",
    row: "power lost",
    disk: "losing power",
    plan: steady(["lose power"], { times: 3, everyMs: 12_000, holdMs: 500 }),
    bounds: [stallOfSends(6_000, "healedAt")],
    env: { CARILLON_NATS_STREAM_MEGABYTES: "32" },
  },
  {
    name: "poison",
    row: "poison",
    plan: once(["poison"], 1_000, 0),
    bounds: [stallOfSends(20_000)],
    env: { CARILLON_FAILPOINT: `decide.before:kill:${POISON}` },
  },
];

/** Short faults that may meet any other. */
export const MIXABLE: readonly FaultName[] = [
  "kill gateway",
  "kill worker",
  "kill archiver",
  "kill api",
  "kill nats",
  "kill redis",
  "kill mysql",
  "pause gateway",
  "pause worker",
  "pause archiver",
  "pause nats",
  "pause redis",
  "pause mysql",
  "wipe redis",
  "worker dies at append.before",
  "worker dies at append.after",
  "worker dies at acknowledge.after",
  "worker dies at fan-out.after",
  "archiver dies at write.after",
  "cut worker-nats",
  "cut gateway-nats",
  "cut worker-redis",
  "silence worker to nats",
  "silence nats to worker",
  "silence redis to worker",
  "slow worker-nats",
  "slow worker-redis",
];

const mixtures: Scenario[] = [
  {
    name: "pairs",
    row: "pairs and mixtures",
    links: true,
    plan: (seed) =>
      mixedPlan({ faults: MIXABLE, durationMs: 60_000, everyMs: 12_000, together: 2, holdMs: [500, 6_000] }, seed),
    bounds: [],
    afterMs: 15_000,
  },
];

/** A fault every 5 s for that many minutes. */
export function mixedRun(minutes: number): Scenario {
  return {
    name: "mixed",
    row: "pairs and mixtures",
    links: true,
    plan: (seed) =>
      mixedPlan(
        { faults: MIXABLE, durationMs: minutes * 60_000, everyMs: 5_000, together: 1, holdMs: [200, 5_000] },
        seed,
      ),
    bounds: [],
    afterMs: 15_000,
  };
}

export const scenarios: readonly Scenario[] = [...processes, ...stores, ...links, ...cluster, ...pressure, ...mixtures];
