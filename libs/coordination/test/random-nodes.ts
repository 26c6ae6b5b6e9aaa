/** Random nodes and orders, from a seed, so that a failing view is found again. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

export interface SeededNode {
  nodeId: string;
  weight: number;
}

/** 1 to 6 nodes of weight 1 to 3. */
export function randomNodes(random: () => number): SeededNode[] {
  const nodes = new Map<string, SeededNode>();
  const count = 1 + Math.floor(random() * 6);
  while (nodes.size < count) {
    const nodeId = `gw-${Math.floor(random() * 1_000_000)}`;
    nodes.set(nodeId, { nodeId, weight: 1 + Math.floor(random() * 3) });
  }
  return [...nodes.values()];
}
