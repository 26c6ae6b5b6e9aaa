import { assignPartitions } from "@carillon/coordination";
import { seeded } from "@carillon/testkit";
import { randomNodes, shuffled } from "./random-nodes";

test("in 200 random views every partition has a node, none has more than its bound, the order does not matter", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed);
    const nodes = randomNodes(random);
    const count = 1 + Math.floor(random() * 32);
    const assignment = assignPartitions(count, nodes);
    const loads = nodes.map(({ nodeId }) => [...assignment.values()].filter((owner) => owner === nodeId).length);
    expect({ seed, partitions: [...assignment.keys()] }).toEqual({
      seed,
      partitions: Array.from({ length: count }, (_, partition) => partition),
    });
    expect({ seed, isBounded: Math.max(...loads) <= Math.ceil(count / nodes.length) }).toEqual({
      seed,
      isBounded: true,
    });
    expect(loads.reduce((sum, load) => sum + load)).toBe(count);
    expect(assignPartitions(count, shuffled(nodes, random))).toEqual(assignment);
  }
}, 60_000);

test("two workers share the work evenly", () => {
  const owners = [...assignPartitions(8, [one("a"), one("b")]).values()];
  expect(owners.filter((owner) => owner === "a")).toHaveLength(4);
});

test("most partitions stay where they are when a fourth worker joins", () => {
  const names = ["a", "b", "c"].map(one);
  const [before, after] = [assignPartitions(64, names), assignPartitions(64, [...names, one("d")])];
  const moved = [...before].filter(([partition, owner]) => after.get(partition) !== owner);
  expect(moved.length).toBeLessThan(32);
});

test("without nodes nothing is assigned", () => {
  expect(assignPartitions(4, [])).toEqual(new Map());
});

function one(nodeId: string): { nodeId: string; weight: number } {
  return { nodeId, weight: 1 };
}
