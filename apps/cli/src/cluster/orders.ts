/** Orders about users from the command line, to all gateways and workers of the view. The api gives the same orders. */
import { ROLES, randomId } from "@carillon/base";
import { ChangeTeller, commandSender, DownlinkSender } from "@carillon/bus";
import type { Cluster } from "./open-cluster";

/**
 * Sends no tick before the order: at a gateway, the order itself begins the link. Every gateway confirms the order; the command
 * names those that do not. The operator has to repeat a command that died before it sent its order.
 */
export function openOrders({ bus, coordination }: Cluster): ChangeTeller {
  const changes = new ChangeTeller(bus, new DownlinkSender(bus, commandSender(randomId(8))));
  const nodes = (role: string) => coordination.view.nodes(role);
  changes.setNodes({ gateways: nodes("gateway"), workers: nodes(ROLES.worker), apis: nodes("api") });
  return changes;
}
