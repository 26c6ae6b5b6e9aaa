/** Scenarios in which Carillon's processes are killed and paused, at any moment and exactly between two steps. */
import { failedSends, resumption, sendTime, stallOfSends } from "../measure";
import { once, steady } from "../plan";
import type { Scenario } from "../scenario";

/** Life of a node's record (libs/coordination). */
const TTL_MS = 10_000;

export const processes: readonly Scenario[] = [
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
    plan: steady(["kill worker"], { times: 6, everyMs: 10_000, holdMs: 0 }),
    load: { rate: 1_000 },
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
    // To its clients, a stopped process is a host that has vanished: it closes nothing and does not answer.
    name: "vanish-gateway",
    row: "host vanished",
    plan: steady(["pause gateway"], { times: 2, everyMs: 50_000, holdMs: 3 * TTL_MS }),
    load: { sdkPairs: 40, rawPairs: 0, rate: 200 },
    bounds: [sendTime(15_000), failedSends(0)],
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
