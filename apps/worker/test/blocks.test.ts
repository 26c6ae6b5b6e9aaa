import { Blocks } from "../src/receipts/blocks";

/** Relations that a test may change, and how often they are asked for. */
function newBlocks(states: Record<string, string>) {
  const world = { now: 0, asked: [] as string[], isAway: false, states };
  let gate = Promise.resolve();
  const blocks = new Blocks({
    monotonic: () => world.now,
    relations: async (pairs) => {
      world.asked.push(pairs.map((pair) => pair.join(">")).join(" "));
      const found = new Map(Object.entries(world.states));
      await gate;
      if (world.isAway) throw new Error("MySQL is away");
      return found;
    },
  });
  const hold = () => {
    let release = () => {};
    gate = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      gate = Promise.resolve();
      release();
    };
  };
  return { blocks, world, hold };
}

test("either direction counts, and what is known is not asked for again", async () => {
  const { blocks, world } = newBlocks({ "alice bob": "friend", "bob alice": "blocked" });
  const pairs = [
    ["alice", "bob"],
    ["bob", "alice"],
    ["alice", "carl"],
  ] as const;
  expect(await blocks.between(pairs)).toEqual([true, true, false]);
  expect(await blocks.between(pairs)).toEqual([true, true, false]);
  expect(world.asked).toEqual(["alice>bob bob>alice alice>carl carl>alice"]);
  world.now = 30_001;
  await blocks.between([["alice", "carl"]]);
  expect(world.asked).toHaveLength(2);
  expect(await blocks.between([])).toEqual([]);
});

test("without MySQL what was known before counts; of whom nothing is known nobody is told", async () => {
  const { blocks, world } = newBlocks({ "bob alice": "blocked" });
  await blocks.between([["alice", "bob"]]);
  world.isAway = true;
  world.now = 60_000;
  expect(await blocks.between([["alice", "bob"]])).toEqual([true]);
  await expect(
    blocks.between([
      ["alice", "bob"],
      ["alice", "dora"],
    ]),
  ).rejects.toThrow("away");
});

test("an order to forget counts also for what is being asked for", async () => {
  const { blocks, world, hold } = newBlocks({});
  const release = hold();
  const asked = blocks.between([["alice", "bob"]]);
  world.states = { "bob alice": "blocked" };
  blocks.forget([["bob", "alice"]]);
  release();
  expect(await asked).toEqual([true]);
  world.states = {};
  blocks.forgetAll();
  expect(await blocks.between([["alice", "bob"]])).toEqual([false]);
});
