import { ROLES } from "@carillon/base";
import { ask, type Bus, nodeControl } from "@carillon/bus";
import type { RunningCluster } from "@carillon/local";

/** Whether every node of the cluster runs and answers, so that all faults are healed. */
export async function isWhole(bus: Bus, cluster: RunningCluster): Promise<boolean> {
  const { gateways, workers, archivers, nats, redis, mysql } = cluster.info();
  if ([...nats, redis, mysql].some(({ pid }) => pid === undefined)) return false;
  const controls = [
    ...gateways.map(({ nodeId }) => nodeControl.to("gateway", nodeId)),
    ...workers.map(({ nodeId }) => nodeControl.to(ROLES.worker, nodeId)),
    ...archivers.map(({ nodeId }) => nodeControl.to("archiver", nodeId)),
  ];
  const answers = await Promise.allSettled(controls.map((control) => ask(bus, control, { ask: "state" })));
  return answers.every(({ status }) => status === "fulfilled");
}
