/** Scenarios in which devices are logged out and lost, while gateways are cut off for a moment and the api dies. */
import { closings } from "../measure";
import { mergedPlan, steady } from "../plan";
import type { Scenario } from "../scenario";

export const privacy: readonly Scenario[] = [
  {
    name: "revoke",
    row: "devices revoked",
    links: true,
    plan: mergedPlan(
      steady(["log out", "lose device"], { times: 40, everyMs: 800, holdMs: 0 }),
      steady(["cut gateway-nats"], { times: 4, everyMs: 8_000, holdMs: 1_000 }),
      // This is longer than the api waits, so the gateway has to find out by itself.
      steady(["cut gateway-nats"], { times: 6, everyMs: 5_500, holdMs: 3_000 }),
      steady(["kill api"], { times: 3, everyMs: 11_000, holdMs: 0 }),
    ),
    load: { rate: 200 },
    bounds: [closings(2_000, true), closings(10_000, false)],
  },
];
