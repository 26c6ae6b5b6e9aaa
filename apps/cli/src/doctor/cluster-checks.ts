/** Checks that the processes agree, that every partition is served, and that no queue grows. */
import { ROLES } from "@carillon/base";
import {
  askOwners,
  type CopyGroup,
  countDeadLetters,
  countLed,
  crowdedServers,
  fingerprintOf,
  kindsOf,
  readLayout,
} from "@carillon/bus";
import type { NodeRecord } from "@carillon/coordination";
import { listNodes, listPartitions, type NodeRow, type PartitionRow } from "@carillon/operations";
import type { Cluster } from "../cluster/open-cluster";
import { type Check, checksOf, judge, notChecked, ok } from "./check";

const NEEDED_ROLES = ["gateway", "worker", "archiver", "api"];

/** Maximum number of waiting records or batches in a healthy cluster. */
const MUCH = 1_000;

/** Time that a second owner has to answer, ms. */
const COLLECT_MS = 500;

export function checkLayout({ bus }: Cluster): Promise<Check[]> {
  return checksOf("layout", "run carillon init, or use the build that created this cluster", async () => {
    const { partitions, format } = await readLayout(bus);
    return [ok("layout", `${partitions} partitions, format ${format}`)];
  });
}

export function checkPartitions(cluster: Cluster): Promise<Check[]> {
  return checksOf("partitions", "run carillon init", async () => {
    const rows = await listPartitions(cluster);
    const [troubles, doubles] = await Promise.all([troublesOf(cluster, rows), doublesOf(cluster, rows)]);
    const silent = rows.filter(({ answers }) => !answers).map(({ partition }) => partition);
    const served = silent.length === 0 ? "each has an owner that answers" : `no owner answers for ${silent.join(", ")}`;
    return [
      judge("partitions served", silent.length === 0, served, {
        result: "wrong",
        advice: "check that a worker is up (carillon nodes), and read its log",
      }),
      judge("partitions usable", troubles.length === 0, troubles.join("; ") || "logs and archive fit together", {
        result: "wrong",
        advice: "log and archive are from different times: restore both, see docs/operating.md",
      }),
      judge("one owner each", doubles.length === 0, doubles.join("; ") || "no second owner answers", {
        result: "wrong",
        advice:
          "the log refuses one of them; if this lasts longer than some seconds, restart the owner with the lower epoch",
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
        missing.length === 0 ? "all are up" : `no process is up: ${missing.join(", ")}`,
        {
          result: "wrong",
          advice: "start a process of that role",
        },
      ),
      judge("nodes", silent.length === 0, `${nodes.length}, ${quiet}`, {
        result: "warning",
        advice: "the record of a dead node expires after 10 s; if the record stays, the process hangs",
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
      const states = await askOwners(bus, partition, { ask: "state" }, COLLECT_MS);
      const owners = states.map(({ nodeId, epoch }) => `${nodeId} (epoch ${epoch})`);
      return owners.length > 1 ? `partition ${partition}: ${owners.join(" and ")}` : "";
    }),
  );
  return found.filter((text) => text !== "");
}

/**
 * Maximum lag of delivery, ms. An owner lets delivery be half a second behind; a longer lag means that a store does not answer.
 */
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
      advice: "check that Redis answers and is a supported version, and read the logs of the workers",
    };
  }
  const most = Math.max(0, ...rows.map(({ deliveryLagMs }) => deliveryLagMs ?? 0));
  return judge(name, most <= MOST_BEHIND_MS, `${most} ms behind at most`, {
    result: "warning",
    advice: "Redis is slow, or it was away and workers read the log again",
  });
}

function checkLag(rows: PartitionRow[]): Check {
  if (rows.some(({ archiveLag }) => archiveLag === null)) {
    return { name: "archive lag", result: "not checked", text: "MySQL does not answer" };
  }
  const most = Math.max(...rows.map(({ archiveLag }) => archiveLag!));
  return judge("archive lag", most <= MUCH, `${most} records at most`, {
    result: "warning",
    advice: "check that MySQL is fast enough and an archiver is up; the log keeps everything until it is full",
  });
}

function checkQueues(rows: PartitionRow[]): Check {
  const most = Math.max(...rows.map(({ queueLength }) => queueLength));
  return judge("queues", most <= MUCH, `${most} batches at most`, {
    result: "warning",
    advice: "the workers are too slow, or cannot append: read their logs",
  });
}

function checkRing({ coordination }: Cluster, nodes: NodeRow[]): Check {
  const { fingerprint } = coordination.ringOf("gateway");
  const others = nodes.filter(({ role, ring }) => role === "gateway" && ring !== null && ring !== fingerprint);
  const names = others.map(({ nodeId }) => nodeId).join(", ");
  return judge("ring", others.length === 0, others.length === 0 ? fingerprint : `another ring at ${names}`, {
    result: "warning",
    advice: "a change needs some seconds to reach all gateways; if the difference stays, see carillon ring --diff",
  });
}

/** Checks that the servers of a NATS cluster share the work, and that their copies are level. Pure. */

const LEADERS = "nats leaders";
const COPIES = "nats copies";

/** @param groups all streams and consumers that have several copies */
export function checkLeaders(groups: readonly CopyGroup[]): Check[] {
  if (groups.length === 0) return [notChecked(LEADERS, "every stream has one copy")];
  const [streams = [], consumers = []] = kindsOf(groups);
  const [ofStreams, ofConsumers] = [countLed(streams), countLed(consumers)];
  const led = [...ofStreams].map(
    ([server, count]) => `${server} ${count} streams and ${ofConsumers.get(server) ?? 0} consumers`,
  );
  const crowded = [...new Set([streams, consumers].flatMap(crowdedServers))];
  const tooMuch = crowded.length === 0 ? "" : `; more than its share: ${crowded.join(", ")}`;
  const behind = groups.flatMap(({ followers }) => followers.filter(({ isLevel }) => !isLevel));
  const names = [...new Set(behind.map(({ server }) => server))].sort().join(", ");
  return [
    judge(LEADERS, crowded.length === 0, `${led.join(", ")}${tooMuch}`, {
      result: "warning",
      advice:
        "an api lets it hand over one each 5 s when all servers have been healthy for api.spreadLeadersSeconds; otherwise read the log of the api",
    }),
    judge(COPIES, behind.length === 0, names === "" ? "all are level" : `away or behind: ${names}`, {
      result: "warning",
      advice:
        "until it is level, the death of another NATS server stops everything: check that it is up, and read its log",
    }),
  ];
}

/** Checks that all registered nodes have one version and belong to one cluster. Pure. */

type Told = Pick<NodeRecord, "nodeId" | "version" | "fingerprint">;

/** Several versions are a warning only, because a rolling upgrade looks the same; they must not stay. */
export function checkVersions(nodes: readonly Told[]): Check {
  const versions = namesBy(nodes, ({ version }) => version || "unnamed");
  const text = [...versions].map(([version, names]) => `${version} (${names.join(", ")})`).join("; ");
  const [only = "no nodes"] = versions.keys();
  return judge("versions", versions.size <= 1, versions.size > 1 ? text : only, {
    result: "warning",
    advice: "finish the upgrade: restart the nodes of the older version with the newer one",
  });
}

/**
 * Checks the layouts: a node that read another layout at its start assigns conversations to wrong partitions.
 * @param layout fingerprint of the cluster's present layout
 */
export function checkFingerprints(nodes: readonly Told[], layout: string): Check {
  const others = nodes.filter(({ fingerprint }) => fingerprint !== "" && fingerprint !== layout);
  const text = others.map(({ nodeId, fingerprint }) => `${nodeId} has ${fingerprint}`).join(", ");
  return judge("one layout", others.length === 0, text === "" ? layout : `${text}; the cluster has ${layout}`, {
    result: "wrong",
    advice:
      "restart those nodes: they read another layout when they started. If that does not help, they reach another NATS",
  });
}

function namesBy(nodes: readonly Told[], key: (node: Told) => string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const node of nodes) names.set(key(node), [...(names.get(key(node)) ?? []), node.nodeId]);
  return names;
}
