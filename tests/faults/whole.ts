import { ROLES } from "@carillon/base";
import { ask, type Bus, type ControlQuestion, subjects } from "@carillon/bus";
import type { RunningCluster } from "@carillon/local";

/** Whether every node of the cluster runs and answers, so that all faults are healed. */
export async function isWhole(bus: Bus, cluster: RunningCluster): Promise<boolean> {
  const { gateways, workers, archivers, nats, redis, mysql } = cluster.info();
  if ([...nats, redis, mysql].some(({ pid }) => pid === undefined)) return false;
  const subjectsOfAll = [
    ...gateways.map(({ nodeId }) => subjects.control("gateway", nodeId)),
    ...workers.map(({ nodeId }) => subjects.control(ROLES.worker, nodeId)),
    ...archivers.map(({ nodeId }) => subjects.control("archiver", nodeId)),
  ];
  const answers = await Promise.allSettled(
    subjectsOfAll.map((subject) => ask<ControlQuestion, unknown>(bus, subject, { ask: "state" })),
  );
  return answers.every(({ status }) => status === "fulfilled");
}
