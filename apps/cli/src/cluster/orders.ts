/** Orders about people, from the command line: to all gateways and workers of the view, as the api gives them. */
import { ROLES, randomId } from "@carillon/base";
import { ChangeTeller, commandSender, DownlinkSender } from "@carillon/bus";
import type { Cluster } from "./open-cluster";

/**
 * No tick goes ahead of the order: for a gateway the order itself begins the link. Every gateway confirms it; who does not is
 * named. A command that died before its order is to be given again.
 */
export function openOrders({ bus, coordination }: Cluster): ChangeTeller {
  const changes = new ChangeTeller(bus, new DownlinkSender(bus, commandSender(randomId(8))));
  const nodes = (role: string) => coordination.view.nodes(role);
  changes.setNodes({ gateways: nodes("gateway"), workers: nodes(ROLES.worker), apis: nodes("api") });
  return changes;
}
