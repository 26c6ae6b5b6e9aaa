/** Changes of groups from the command line: it writes them to MySQL and tells the owner of the conversation, as the api does. */
import { readLayout } from "@carillon/bus";
import { type GroupAdministration, tellGroupOwner } from "@carillon/operations";
import type { Cluster } from "./open-cluster";
import { openOrders } from "./orders";

export async function openGroups(cluster: Cluster): Promise<GroupAdministration> {
  const { bus, config } = cluster;
  const { maxMembers, writeFanoutMax } = config.groups;
  const [{ groups, users }, { partitions }] = await Promise.all([cluster.mysql(), readLayout(bus)]);
  return {
    groups,
    people: users,
    groupLimits: { members: maxMembers, writeFanOut: writeFanoutMax },
    tellOwner: (groupId) => tellGroupOwner(bus, partitions, groupId),
    changes: openOrders(cluster),
    now: () => bus.clock.now(),
  };
}
