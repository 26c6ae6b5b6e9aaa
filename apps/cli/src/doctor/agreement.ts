/** Checks that all registered nodes have one version and belong to one cluster. Pure. */
import type { NodeRecord } from "@carillon/coordination";
import { type Check, judge } from "./check";

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
