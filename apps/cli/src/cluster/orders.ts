/** Orders about people, from the command line: to all gateways and workers of the view, as the api gives them. */
import { randomId } from "@carillon/base";
import { ChangeTeller, DownlinkSender } from "@carillon/bus";
import type { Cluster } from "./open-cluster";

/**
 * The gateways see a link begin, and fall silent when the command is done: both times they compare their sessions with
 * what MySQL says. So what is committed is carried out even if the command dies before its order.
 */
export async function withOrders<T>(cluster: Cluster, work: (changes: ChangeTeller) => Promise<T>): Promise<T> {
  const { bus, coordination } = cluster;
  const downlink = new DownlinkSender(bus, `cli-${randomId(8)}`, () => "");
  const changes = new ChangeTeller(bus, downlink);
  changes.setNodes(coordination.view.nodes("gateway"), coordination.view.nodes("logic"));
  downlink.start();
  try {
    return await work(changes);
  } finally {
    downlink.stop();
  }
}
