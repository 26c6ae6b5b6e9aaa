/** Scenarios in which links between processes and stores are cut, silent or slow. */
import { stallOfDelivery, stallOfSends } from "../measure";
import { once } from "../plan";
import type { Scenario } from "../scenario";

export const links: readonly Scenario[] = [
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
    name: "one-way-cut",
    row: "one-way cut",
    links: true,
    plan: once(["silence nats to worker", "silence worker to nats"], 60_000, 40_000),
    bounds: [stallOfSends(15_000)],
    afterMs: 15_000,
  },
  {
    name: "cut-redis-for-long",
    row: "link cut for long",
    links: true,
    plan: once(["cut all workers-redis"], 100_000, 90_000),
    bounds: [stallOfSends(3_000), stallOfDelivery(20_000, "healedAt")],
    env: { CARILLON_WORKER_REPLAY_WINDOW_SECONDS: "60" },
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
