import { hash32 } from "@carillon/base";
import { buildRing, RING_SLOTS, type Ring } from "@carillon/coordination";
import { seeded } from "@carillon/testkit";
import { randomNodes, type SeededNode, shuffled } from "./random-nodes";

const USERS = Array.from({ length: 12 }, (_, i) => `user-${i}`);

/** Slots whose node differs, as [from, to]. */
function moves(before: Ring, after: Ring): [string, string][] {
  return before.slots.flatMap((from, slot): [string, string][] => {
    const to = after.slots[slot]!;
    return from === to ? [] : [[from, to]];
  });
}

/** The same view with one node more, gone, or of another weight. */
function changeOne(nodes: SeededNode[], random: () => number): { nodes: SeededNode[]; changed: string } {
  const kind =
    nodes.length === 1 ? 0 : Math.floor(random() * (nodes.length === 6 ? 2 : 3)) + (nodes.length === 6 ? 1 : 0);
  if (kind === 0) {
    const changed = `new-${Math.floor(random() * 1_000_000)}`;
    return { nodes: [...nodes, { nodeId: changed, weight: 1 + Math.floor(random() * 3) }], changed };
  }
  const { nodeId: changed, weight } = nodes[Math.floor(random() * nodes.length)]!;
  const others = nodes.filter(({ nodeId }) => nodeId !== changed);
  return { nodes: kind === 1 ? others : [...others, { nodeId: changed, weight: (weight % 3) + 1 }], changed };
}

function worstShare(ring: Ring, nodes: SeededNode[]): number {
  const total = nodes.reduce((sum, { weight }) => sum + weight, 0);
  const shares = ring.shares();
  return Math.max(...nodes.map(({ nodeId, weight }) => Math.abs((shares.get(nodeId) ?? 0) / (weight / total) - 1)));
}

test("1,000 random views: no key moves but from or to the changed node, shares fit weights, fingerprints are equal", () => {
  const fingerprints = new Set<string>();
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed);
    let nodes = randomNodes(random);
    let ring = buildRing(nodes);
    for (let view = 1; view <= 20; view++) {
      const next = changeOne(nodes, random);
      const after = buildRing(next.nodes);
      const moved = moves(ring, after);
      expect({
        seed,
        view,
        strays: moved.filter(([from, to]) => from !== next.changed && to !== next.changed),
        hasMoved: moved.length > 0,
        isFair: worstShare(after, next.nodes) <= 0.25,
      }).toEqual({ seed, view, strays: [], hasMoved: true, isFair: true });
      // A ring takes a while to build: one in five is built a second time.
      if (view % 5 === 0) {
        const again = buildRing(shuffled(next.nodes, random)).fingerprint;
        expect({ seed, view, again }).toEqual({ seed, view, again: after.fingerprint });
      }
      fingerprints.add(after.fingerprint);
      nodes = next.nodes;
      ring = after;
    }
  }
  // Views with random names differ, and so do their fingerprints; a few return to an earlier one.
  expect(fingerprints.size).toBeGreaterThan(900);
}, 120_000);

test("fingerprints are equal because the tables are", () => {
  const random = seeded(7);
  const nodes = randomNodes(random);
  expect(buildRing(shuffled(nodes, random)).slots).toEqual(buildRing(nodes).slots);
});

test("a walk names distinct nodes, first the one of lookup, then the one that follows when that leaves", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const nodes = randomNodes(seeded(seed));
    const ring = buildRing(nodes);
    for (const user of USERS) {
      const walk = ring.walk(user, nodes.length);
      expect({ seed, first: walk[0], all: [...walk].sort() }).toEqual({
        seed,
        first: ring.lookup(user),
        all: nodes.map(({ nodeId }) => nodeId).sort(),
      });
      const without = buildRing(nodes.filter(({ nodeId }) => nodeId !== walk[0]));
      expect({ seed, second: without.lookup(user) }).toEqual({ seed, second: walk[1] });
      expect(ring.walk(user, 2)).toEqual(walk.slice(0, 2));
    }
  }
});

test("a key has the slot that its hash says", () => {
  const ring = buildRing([
    { nodeId: "a", weight: 1 },
    { nodeId: "b", weight: 1 },
  ]);
  expect(ring.slots).toHaveLength(RING_SLOTS);
  for (const user of USERS) expect(ring.lookup(user)).toBe(ring.slots[hash32(user) % RING_SLOTS]);
});

test("the table of two well-known nodes stays what it is in released clusters", () => {
  const nodes = [
    { nodeId: "gateway-1", weight: 1 },
    { nodeId: "gateway-2", weight: 2 },
  ];
  expect(buildRing(nodes).fingerprint).toBe("c15f6b64");
});

test("a ring without nodes answers nobody", () => {
  const ring = buildRing([]);
  expect([ring.lookup("user"), ring.walk("user", 2), ring.slots, [...ring.shares()]]).toEqual([undefined, [], [], []]);
});

test("a node of small weight is in the ring, also with the default number of points of the library", () => {
  const shares = buildRing([
    { nodeId: "a", weight: 1 },
    { nodeId: "b", weight: 0.25 },
    { nodeId: "c", weight: 0.001 },
  ]).shares();
  expect(shares.get("b")! / shares.get("a")!).toBeCloseTo(0.25, 1);
  expect(shares.get("c")).toBeGreaterThan(0);
});
