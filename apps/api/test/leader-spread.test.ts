import { type CopyGroup, countLed, crowdedServers } from "@carillon/bus";
import { type HandOver, LeaderSpread } from "../src/jobs/leader-spread";

const SERVERS = ["a", "b", "c"];
const CALM_MS = 60_000;
const LOOK_MS = 5_000;

function group(stream: string, leader: string | undefined, consumer?: string): CopyGroup {
  const followers = SERVERS.filter((server) => server !== leader).map((server) => ({ server, isLevel: true }));
  return { stream, leader, followers, ...(consumer !== undefined && { consumer }) };
}

/** Queue and log of each of so many partitions. */
const partitionsOf = (count: number, leader: string) =>
  Array.from({ length: count }, (_, p) => [group(`IN_${p}`, leader), group(`LOG_${p}`, leader)]).flat();

const handedOver = (groups: CopyGroup[], { group: moved, to }: HandOver) =>
  groups.map((each) => (each === moved ? group(each.stream, to, each.consumer) : each));

/** Looks again and again, and does what is asked for; `meddle` changes what is seen in the look of that number. */
function follow(groups: CopyGroup[], looks: number, meddle = (seen: CopyGroup[], _look: number) => seen) {
  const spread = new LeaderSpread({ calmMs: CALM_MS, mostApartMs: 3 * LOOK_MS });
  const orders: { at: number; order: HandOver }[] = [];
  let now = groups;
  for (let look = 0; look < looks; look++) {
    now = meddle(now, look);
    const order = spread.look(now, look * LOOK_MS);
    if (order === undefined) continue;
    orders.push({ at: look * LOOK_MS, order });
    now = handedOver(now, order);
  }
  return { orders, groups: now };
}

const counts = (groups: CopyGroup[]) => [...countLed(groups).values()];
const logs = (groups: CopyGroup[]) => groups.filter(({ stream }) => stream.startsWith("LOG"));

test("one that leads everything hands over, one stream a look, until all lead the same", () => {
  const { orders, groups } = follow(partitionsOf(6, "a"), 60);
  expect(orders[0]!.at).toBe(CALM_MS);
  expect(orders.map(({ at }) => at)).toEqual(orders.map((_, i) => CALM_MS + i * LOOK_MS));
  expect(orders).toHaveLength(8);
  expect(counts(groups)).toEqual([4, 4, 4]);
});

test("logs and queues are each spread, not only their sum", () => {
  const { groups } = follow(partitionsOf(6, "a"), 60);
  expect(counts(logs(groups))).toEqual([2, 2, 2]);
});

test("consumers are spread for themselves", () => {
  const streams = partitionsOf(3, "a").map((each, i) => group(each.stream, SERVERS[i % 3]));
  const consumers = Array.from({ length: 6 }, (_, p) => group(`IN_${p}`, "b", `owner-1-${p}`));
  const { orders, groups } = follow([...streams, ...consumers], 60);
  expect(orders.every(({ order }) => order.group.consumer !== undefined)).toBe(true);
  expect(counts(groups.filter(({ consumer }) => consumer !== undefined))).toEqual([2, 2, 2]);
});

test("a little more than its share is left as it is: each hand-over costs its writers a moment", () => {
  const groups = ["a", "a", "a", "b", "b", "c"].map((leader, i) => group(`LOG_${i}`, leader));
  expect(crowdedServers(groups)).toEqual([]);
  expect(follow(groups, 60).orders).toEqual([]);
});

test("it waits anew after a server was away or behind", () => {
  const away = (seen: CopyGroup[], look: number) =>
    look !== 10
      ? seen
      : seen.map((each) => ({
          ...each,
          followers: each.followers.map((follower) => ({ ...follower, isLevel: false })),
        }));
  const { orders } = follow(partitionsOf(6, "a"), 12, away);
  expect(orders).toEqual([]);
  // The meddled look stays what is seen: nothing is ever handed over while it is so.
  expect(follow(partitionsOf(6, "a"), 60, away).orders).toEqual([]);
});

test("it waits anew after somebody else moved a leader, or one was missing", () => {
  const elected = (seen: CopyGroup[], look: number) =>
    look === 10 ? seen.map((each) => (each.stream === "LOG_0" ? group("LOG_0", "b") : each)) : seen;
  expect(follow(partitionsOf(6, "a"), 60, elected).orders[0]!.at).toBe(10 * LOOK_MS + CALM_MS);
  const leaderless = (seen: CopyGroup[], look: number) =>
    seen.map((each) => (each.stream === "LOG_0" ? group("LOG_0", look === 10 ? undefined : "a") : each));
  const { orders } = follow(partitionsOf(6, "a"), 24, leaderless);
  expect(orders[0]!.at).toBeGreaterThanOrEqual(10 * LOOK_MS + CALM_MS);
});

test("it waits anew after a look that failed, and after a pause in which nobody looked", () => {
  const spread = new LeaderSpread({ calmMs: CALM_MS, mostApartMs: 3 * LOOK_MS });
  const groups = partitionsOf(6, "a");
  for (let at = 0; at < CALM_MS; at += LOOK_MS) expect(spread.look(groups, at)).toBeUndefined();
  spread.disturb();
  for (let at = CALM_MS; at < 2 * CALM_MS; at += LOOK_MS) expect(spread.look(groups, at)).toBeUndefined();
  expect(spread.look(groups, 3 * CALM_MS)).toBeUndefined();
});

test("a new consumer is no reason to wait", () => {
  const joined = (seen: CopyGroup[], look: number) => (look === 10 ? [...seen, group("IN_0", "b", "owner-2-1")] : seen);
  expect(follow(partitionsOf(6, "a"), 60, joined).orders[0]!.at).toBe(CALM_MS);
});
