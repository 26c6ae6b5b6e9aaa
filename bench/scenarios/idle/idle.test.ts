import { sleep } from "@carillon/base";
import type { IdleContestant } from "./contestants";
import { measureIdle } from "./measure";
import { bytesPerConnection, compareMemory, describeMemory, firstOf, type MemoryReadings } from "./memory";
import { Turns } from "./turns";

const readings: MemoryReadings = { connections: [500, 10_740], first: 90, all: 140, most: 190 };

test("the first connections are a tenth of all, an even number, and limited", () => {
  expect([20, 39, 130, 5_000, 18_000].map((clients) => firstOf(clients, 500))).toEqual([2, 2, 12, 500, 500]);
});

test("memory is shared among the connections that came after the first ones", () => {
  expect(bytesPerConnection(readings)).toEqual({ settled: 5 * 1_024, most: 10 * 1_024 });
  expect(bytesPerConnection({ ...readings, all: 90 }).settled).toBe(0);
});

test("the text about memory contains the time of reading and the maximum", () => {
  expect(describeMemory(readings, 120)).toBe(
    "5.0 KB a connection 120 s after the last one came (10.0 KB at most): 90 MiB with 500, 140 MiB with all",
  );
});

test("servers stand beside each other with their tiers", () => {
  const lines = compareMemory([
    { name: "carillon TCP", tier: "T2", bytes: { settled: 5 * 1_024, most: 10 * 1_024 } },
    { name: "mosquitto", tier: "T0", bytes: { settled: 1_100, most: 1_100 } },
  ]);
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["tier", "KB a connection", "at most"],
    ["carillon TCP", "T2", "5.0", "10.0"],
    ["mosquitto", "T0", "1.1", "1.1"],
  ]);
});

test("turns are taken one after the other, and a turn may be ended twice", async () => {
  const turns = new Turns();
  const events: string[] = [];
  const work = async (name: string) => {
    const end = await turns.take();
    events.push(`${name} begins`);
    await sleep(1);
    events.push(`${name} ends`);
    end();
    end();
  };
  await Promise.all(["a", "b", "c"].map(work));
  expect(events).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test.each([
  ["cannot be had", 0],
  ["fails while it is connected", 1],
])("a server that %s gives its turn back", async (why, opened) => {
  let opens = 0;
  const contestant: IdleContestant = {
    name: "a peer",
    tier: "T0",
    front: "server",
    description: "",
    with: async (_clients, measure) => {
      if (opened === 0) throw new Error(why);
      const open = async () => {
        opens++;
        throw new Error(why);
      };
      return measure({ server: {} as never, generatorPids: [], open, faults: async () => [] });
    },
  };
  const turns = new Turns();
  await expect(measureIdle(contestant, { clients: 20, seconds: 1 }, turns)).rejects.toThrow(why);
  expect(opens).toBe(opened);
  (await turns.take())();
});
