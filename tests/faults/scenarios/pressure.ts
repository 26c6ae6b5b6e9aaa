/** Scenarios with clients that stop reading or write too much, with wrong clocks, and with full logs and disks. */
import path from "node:path";
import { POISON } from "../inject/load-faults";
import { disconnects, stallOfSends, takeOvers } from "../measure";
import { once, steady } from "../plan";
import type { Scenario } from "../scenario";

export const pressure: readonly Scenario[] = [
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
    env: { NODE_OPTIONS: `--require ${path.join(__dirname, "..", "inject", "clock-preload.cjs")}` },
  },
  {
    name: "client-clock",
    row: "client clock wrong",
    plan: once(["client an hour ahead", "client an hour back"], 15_000, 0),
    bounds: [stallOfSends(1_000), disconnects(0)],
  },
  {
    name: "stream-full",
    row: "stream full",
    plan: once(["large contents"], 30_000, 25_000),
    bounds: [],
    env: { CARILLON_NATS_STREAM_MEGABYTES: "8", CARILLON_WORKER_REPLAY_WINDOW_SECONDS: "60" },
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
