/** `carillon ring`: shows the share of each gateway; `--diff` checks that all gateways have the same ring. */

import { listNodes } from "@carillon/operations";
import type { Command } from "commander";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { print, tableOf } from "../output/print";

interface RingDocument {
  /** Equal for equal rings. */
  fingerprint: string;
  gateways: { nodeId: string; weight: number; share: number }[];
  /** With --diff: the answer of each gateway; null when it does not answer. */
  seen?: { nodeId: string; fingerprint: string | null; same: boolean }[];
  same?: boolean;
}

const DIFFERENT = 1;

export function ringCommand(): Command {
  return clusterCommand("ring", "show the share of each gateway and the fingerprint of the ring")
    .option("--diff", "ask every gateway for its ring; exit code 1 if a gateway has another ring or is silent")
    .action(async ({ data, json, diff }: CommonOptions & { diff?: boolean }) => {
      const document = await withCluster(data, (cluster) => readRing(cluster, diff === true));
      print(document, json, describe);
      if (document.same === false) process.exitCode = DIFFERENT;
    });
}

async function readRing(cluster: Cluster, diff: boolean): Promise<RingDocument> {
  const { coordination } = cluster;
  const ring = coordination.ringOf("gateway");
  const shares = ring.shares();
  const gateways = coordination.view.up("gateway").map(({ nodeId, weight }) => ({
    nodeId,
    weight,
    share: shares.get(nodeId) ?? 0,
  }));
  const document = { fingerprint: ring.fingerprint, gateways };
  if (!diff) return document;
  const seen = (await listNodes(cluster))
    .filter(({ role }) => role === "gateway")
    .map((node) => ({ nodeId: node.nodeId, fingerprint: node.ring, same: node.ring === ring.fingerprint }));
  return { ...document, seen, same: seen.every(({ same }) => same) };
}

function describe({ fingerprint, gateways, seen, same }: RingDocument): string {
  const shares = gateways.map(({ nodeId, weight, share }) => [nodeId, weight, `${(share * 100).toFixed(1)} %`]);
  const lines = [tableOf(["gateway", "weight", "share"], shares), `fingerprint ${fingerprint}\n`];
  if (seen !== undefined) {
    const rows = seen.map((one) => [one.nodeId, one.fingerprint ?? "silent", one.same ? "same" : "differs"]);
    lines.push(
      "\n",
      tableOf(["gateway", "its ring", ""], rows),
      same ? "all gateways have the same ring\n" : "the gateways do not agree\n",
    );
  }
  return lines.join("");
}
