/** Scenarios in which NATS, Redis and MySQL are killed, paused, wiped, stopped, or replaced by stores with other data. */
import { acknowledgedMeanwhile, catchUp, disconnects, stallOfDelivery, stallOfSends, takeOvers } from "../measure";
import { once, steady } from "../plan";
import type { Scenario } from "../scenario";

const PAUSE_MS = 30_000;
const DOWN_MS = 60_000;

export const stores: readonly Scenario[] = [
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
    name: "poison-inbox",
    row: "delivery stands still",
    plan: once(["poison an inbox", "poison an inbox"], 15_000, 8_000),
    bounds: [stallOfSends(3_000), stallOfDelivery(3_000)],
    afterMs: 15_000,
  },
  {
    name: "fill-redis",
    row: "delivery stands still",
    plan: once(["fill redis"], 25_000, 15_000),
    bounds: [stallOfSends(3_000), stallOfDelivery(10_000, "healedAt")],
    afterMs: 15_000,
  },
  {
    name: "purge-logs",
    row: "logs purged",
    plan: once(["purge logs"], 30_000, 10_000),
    bounds: [acknowledgedMeanwhile(0)],
    afterMs: 15_000,
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
