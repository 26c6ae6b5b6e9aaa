/** Every scenario of the fault machine: a row of the matrix, its faults, its bounds. */
import type { Scenario } from "../scenario";
import { cluster } from "./cluster";
import { groups } from "./groups";
import { links } from "./links";
import { mixtures } from "./mixtures";
import { natsCluster } from "./nats-cluster";
import { pressure } from "./pressure";
import { privacy } from "./privacy";
import { processes } from "./processes";
import { stores } from "./stores";

export const scenarios: readonly Scenario[] = [
  ...processes,
  ...stores,
  ...natsCluster,
  ...links,
  ...cluster,
  ...pressure,
  ...privacy,
  ...groups,
  ...mixtures,
];
