/** Scenarios in which nodes join and leave, and all clients reconnect at once. */
import { lastReturn, stallOfSends } from "../measure";
import { once, steady } from "../plan";
import type { Scenario } from "../scenario";

export const cluster: readonly Scenario[] = [
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
