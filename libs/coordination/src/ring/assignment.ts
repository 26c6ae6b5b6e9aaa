import { buildRing, type Ring, type WeightedNode } from "./ring";

/**
 * Assigns each partition to a node, by the ring with bounded load: in the order of their numbers, each partition goes to the
 * first node on its walk that has fewer than ceil(count / nodes). A plain ring would leave one of two workers idle half the time.
 *
 * @returns node by partition; empty without nodes
 */
export function assignPartitions(
  count: number,
  nodes: readonly WeightedNode[],
  ring: Ring = buildRing(nodes),
): Map<number, string> {
  const assignment = new Map<number, string>();
  if (nodes.length === 0) return assignment;
  const most = Math.ceil(count / nodes.length);
  const loads = new Map<string, number>();
  for (let partition = 0; partition < count; partition++) {
    const walk = ring.walk(`partition-${partition}`, nodes.length);
    const nodeId = walk.find((candidate) => (loads.get(candidate) ?? 0) < most)!;
    loads.set(nodeId, (loads.get(nodeId) ?? 0) + 1);
    assignment.set(partition, nodeId);
  }
  return assignment;
}
