/** Whether the processes agree, every partition is served, and nothing piles up. */
import { ROLES } from "@carillon/base";
import {
  askAll,
  countDeadLetters,
  fingerprintOf,
  type OwnerQuestion,
  type OwnerState,
  readLayout,
  subjects,
} from "@carillon/bus";
import { listNodes, listPartitions, type NodeRow, type PartitionRow } from "@carillon/operations";
import type { Cluster } from "../cluster/open-cluster";
import { checkFingerprints, checkVersions } from "./agreement";
import { type Check, checksOf, judge, ok } from "./check";

const NEEDED_ROLES = ["gateway", "worker", "archiver", "api"];

/** Records and requests that may wait in a cluster that is well. */
const MUCH = 1_000;

/** Time for a second owner to say that it is there, ms. */
const COLLECT_MS = 500;

export function checkLayout({ bus }: Cluster): Promise<Check[]> {
  return checksOf("layout", "run carillon init, or use the build that made this cluster", async () => {
    const { partitions, format } = await readLayout(bus);
    return [ok("layout", `${partitions} partitions, format ${format}`)];
  });
}

export function checkPartitions(cluster: Cluster): Promise<Check[]> {
  return checksOf("partitions", "run carillon init", async () => {
    const rows = await listPartitions(cluster);
    const [troubles, doubles] = await Promise.all([troublesOf(cluster, rows), doublesOf(cluster, rows)]);
    const silent = rows.filter(({ answers }) => !answers).map(({ partition }) => partition);
    const served = silent.length === 0 ? "each has an owner that answers" : `nobody answers for ${silent.join(", ")}`;
    return [
      judge("partitions served", silent.length === 0, served, {
        result: "wrong",
        advice: "is a worker up? carillon nodes; what does its log say?",
      }),
      judge("partitions usable", troubles.length === 0, troubles.join("; ") || "logs and archive fit", {
        result: "wrong",
        advice: "log and archive are from different times: restore both, see docs/operating.md",
      }),
      judge("one owner each", doubles.length === 0, doubles.join("; ") || "nobody contradicts", {
        result: "wrong",
        advice: "the log refuses one of them; if it stays for more than seconds, restart the one with the lower epoch",
      }),
      checkDelivery(rows),
      checkLag(rows),
      checkQueues(rows),
    ];
  });
}

export function checkDeadLetters({ bus }: Cluster): Promise<Check[]> {
  return checksOf("dead letters", "run carillon init", async () => {
    const count = await countDeadLetters(bus);
    const advice = "carillon dead-letters list";
    return [judge("dead letters", count === 0, count === 0 ? "none" : `${count}`, { result: "warning", advice })];
  });
}

export function checkNodes(cluster: Cluster): Promise<Check[]> {
  return checksOf("nodes", "see carillon nodes", async () => {
    const nodes = await listNodes(cluster);
    const missing = NEEDED_ROLES.filter((role) => !nodes.some((node) => node.role === role && node.state === "up"));
    const silent = nodes.filter(({ state }) => state === "silent").map(({ nodeId }) => nodeId);
    const quiet = silent.length === 0 ? "all answer" : `silent: ${silent.join(", ")}`;
    return [
      judge(
        "roles",
        missing.length === 0,
        missing.length === 0 ? "all are up" : `nobody is up: ${missing.join(", ")}`,
        {
          result: "wrong",
          advice: "start one",
        },
      ),
      judge("nodes", silent.length === 0, `${nodes.length}, ${quiet}`, {
        result: "warning",
        advice: "its record ends after 10 s if it is dead; if it stays, the process hangs",
      }),
      checkVersions(cluster.coordination.view.nodes()),
      checkFingerprints(cluster.coordination.view.nodes(), fingerprintOf(await readLayout(cluster.bus))),
      checkRing(cluster, nodes),
    ];
  });
}

async function troublesOf({ coordination }: Cluster, rows: PartitionRow[]): Promise<string[]> {
  return (await coordination.partitions.all())
    .filter(({ role, partition }) => role === ROLES.worker && rows[partition]?.answers === false)
    .filter(({ trouble }) => trouble !== undefined)
    .map(({ owner, partition, trouble }) => `partition ${partition}, says ${owner}: ${trouble}`);
}

async function doublesOf({ bus }: Cluster, rows: PartitionRow[]): Promise<string[]> {
  const found = await Promise.all(
    rows.map(async ({ partition }) => {
      const question: OwnerQuestion = { ask: "state" };
      const states = await askAll<OwnerQuestion, OwnerState>(bus, subjects.owner(partition), question, COLLECT_MS);
      const owners = states.map(({ nodeId, epoch }) => `${nodeId} (epoch ${epoch})`);
      return owners.length > 1 ? `partition ${partition}: ${owners.join(" and ")}` : "";
    }),
  );
  return found.filter((text) => text !== "");
}

/** An owner lets delivery be half a second behind, so more means that a store does not answer. */
const MOST_BEHIND_MS = 5_000;

function checkDelivery(rows: PartitionRow[]): Check {
  const name = "delivery";
  const stalled = rows.filter(({ deliveryStalled }) => deliveryStalled).map(({ partition }) => partition);
  if (stalled.length > 0) {
    const text = `the inboxes of partitions ${stalled.join(", ")} cannot be filled`;
    return {
      name,
      result: "wrong",
      text,
      advice: "does Redis answer, and is it of a kind that is supported? see the workers' logs",
    };
  }
  const most = Math.max(0, ...rows.map(({ deliveryLagMs }) => deliveryLagMs ?? 0));
  return judge(name, most <= MOST_BEHIND_MS, `${most} ms behind at most`, {
    result: "warning",
    advice: "Redis is slow, or the log is being read again after it was away",
  });
}

function checkLag(rows: PartitionRow[]): Check {
  if (rows.some(({ archiveLag }) => archiveLag === null)) {
    return { name: "archive lag", result: "not checked", text: "MySQL does not answer" };
  }
  const most = Math.max(...rows.map(({ archiveLag }) => archiveLag!));
  return judge("archive lag", most <= MUCH, `${most} records at most`, {
    result: "warning",
    advice: "is MySQL slow, or no archiver up? The log holds everything until it is full",
  });
}

function checkQueues(rows: PartitionRow[]): Check {
  const most = Math.max(...rows.map(({ queueLength }) => queueLength));
  return judge("queues", most <= MUCH, `${most} batches at most`, {
    result: "warning",
    advice: "workers do not keep up, or cannot append: see their logs",
  });
}

function checkRing({ coordination }: Cluster, nodes: NodeRow[]): Check {
  const { fingerprint } = coordination.ringOf("gateway");
  const others = nodes.filter(({ role, ring }) => role === "gateway" && ring !== null && ring !== fingerprint);
  const names = others.map(({ nodeId }) => nodeId).join(", ");
  return judge("ring", others.length === 0, others.length === 0 ? fingerprint : `${names} sees another`, {
    result: "warning",
    advice: "a change takes seconds to reach all; if it stays, see carillon ring --diff",
  });
}
