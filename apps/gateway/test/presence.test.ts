import { TimerWheel } from "@carillon/base";
import type { PresenceFound, PresenceNews, PresenceRead } from "@carillon/bus";
import { Command } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import { LocalPresence } from "../src/presence/local-presence";
import { Watches } from "../src/presence/watches";
import type { Session } from "../src/session/session";

interface Shown {
  userId: string;
  online: boolean;
}

/** A session that remembers the PRESENCE frames that it was sent. */
function newSession(userId: string) {
  const frames: Shown[][] = [];
  const session = {
    isOpen: true,
    identity: { userId },
    reply: (command: number, _: number, payload: { users: Shown[] }) => {
      expect(command).toBe(Command.PRESENCE);
      frames.push(payload.users);
    },
  } as unknown as Session;
  return { session, frames };
}

/** Watches over a cluster in which `online` users are at gateway "g" and `visible` says who may see whom. */
function newWatches(
  online: Set<string>,
  visible: (watcherId: string, userId: string) => boolean,
  frozen: ReadonlyMap<string, number> = new Map(),
) {
  const listeners = new Map<string, (news: PresenceNews) => void>();
  const gateways = new Set(["g"]);
  const hold = { answers: Promise.resolve() };
  let asked = 0;
  const find = async ({ wanted }: PresenceRead): Promise<PresenceFound> => {
    asked += wanted.flatMap(([, userIds]) => userIds).length;
    const mayBeSeen = wanted.map(([watcherId, userIds]) => userIds.filter((userId) => visible(watcherId, userId)));
    const at = [{ gateway: "g", boot: "b", platforms: ["web"] }];
    const users = [...new Set(mayBeSeen.flat())];
    await hold.answers;
    return {
      visible: mayBeSeen,
      frozen: wanted.map(([, userIds]) =>
        userIds.flatMap((id): [string, number][] => (frozen.has(id) ? [[id, frozen.get(id)!]] : [])),
      ),
      users: users.map((userId) => ({ userId, at: online.has(userId) ? at : [], lastSeenAt: 1 })),
    };
  };
  const watches = new Watches({
    network: {
      listen: (userId, onNews) => {
        listeners.set(userId, onNews);
        return () => listeners.delete(userId);
      },
      settled: async () => {},
      find,
    },
    cluster: { isThere: (gateway) => gateways.has(gateway) },
    clock: { now: () => 7 },
  });
  const news = (userId: string, platforms: string[]) =>
    listeners.get(userId)?.({ gateway: "g", boot: "b", platforms, since: 2 });
  return { watches, news, listeners, gateways, hold, asked: () => asked };
}

const friends = Array.from({ length: 500 }, (_, i) => `friend-${i}`);

test("500 friends who come online at once cost eight frames per watcher, not five hundred", async () => {
  const { watches, news } = newWatches(new Set(), () => true);
  const { session, frames } = newSession("alice");
  for (let at = 0; at < 500; at += 50) expect(watches.watch(session, friends.slice(at, at + 50), true)).toBe(true);
  await until("all are known", () => frames.flat().length === 500);
  frames.length = 0;
  for (const friend of friends) news(friend, ["web"]);
  await until("all are online", () => frames.flat().length === 500);
  expect(frames.length).toBe(8);
  expect(frames.flat().every(({ online }) => online)).toBe(true);
  expect(watches.watch(session, ["one-more"], true)).toBe(false);
  watches.stop();
});

test("a watcher who may not see a user is told nothing, and a watcher who may no longer see a user sees them go offline", async () => {
  let areFriends = true;
  const { watches, news } = newWatches(new Set(["bob"]), (watcherId) => watcherId === "alice" && areFriends);
  const [alice, mallory] = [newSession("alice"), newSession("mallory")];
  for (const { session } of [alice, mallory]) watches.watch(session, ["bob"], true);
  await until("both have an answer", () => alice.frames.length + mallory.frames.length === 2);
  expect(alice.frames.flat()).toMatchObject([{ online: true }]);
  areFriends = false;
  watches.forget([["bob", "alice"]]);
  // At first the watched user seems to go offline at this moment, as for a blocked watcher; then the answer counts.
  expect(alice.frames.flat().at(-1)).toMatchObject({ userId: "bob", online: false, lastSeenAt: 7 });
  news("bob", []);
  news("bob", ["ios"]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(alice.frames).toHaveLength(3);
  expect(alice.frames.flat().at(-1)).toMatchObject({ userId: "bob", online: false, lastSeenAt: 0 });
  expect(mallory.frames.flat()).toEqual([{ userId: "bob", online: false, platforms: [], lastSeenAt: 0 }]);
  watches.stop();
});

test("a user who blocks a watcher seems to be offline from then on", async () => {
  const frozen = new Map<string, number>();
  const isVisible = () => frozen.size === 0;
  const { watches, news } = newWatches(new Set(["bob"]), isVisible, frozen);
  const { session, frames } = newSession("alice");
  watches.watch(session, ["bob"], true);
  await until("the watcher sees the user", () => frames.flat().at(-1)?.online === true);
  frozen.set("bob", 7);
  watches.forget([["alice", "bob"]]);
  for (let i = 0; i < 3; i++) {
    news("bob", []);
    news("bob", ["ios"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(frames.flat().slice(1)).toEqual([{ userId: "bob", online: false, platforms: [], lastSeenAt: 7 }]);
  // A watcher who begins to watch now is told the same.
  const other = newSession("alice");
  watches.watch(other.session, ["bob"], true);
  await until("it has an answer", () => other.frames.length === 1);
  expect(other.frames.flat()).toEqual([{ userId: "bob", online: false, platforms: [], lastSeenAt: 7 }]);
  watches.stop();
});

test("an answer that was on its way when two users ceased to be friends shows nothing", async () => {
  let areFriends = true;
  const { watches, hold, asked } = newWatches(new Set(["bob"]), () => areFriends);
  const { session, frames } = newSession("alice");
  let answer = () => {};
  hold.answers = new Promise((resolve) => {
    answer = resolve;
  });
  watches.watch(session, ["bob"], true);
  await until("the worker is asked", () => asked() === 1);
  areFriends = false;
  watches.forget([["alice", "bob"]]);
  hold.answers = Promise.resolve();
  answer();
  await until("the worker is asked again", () => asked() === 2);
  await until("the watcher is told", () => frames.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(frames.flat()).toEqual([{ userId: "bob", online: false, platforms: [], lastSeenAt: 0 }]);
  watches.stop();
});

test("a client that repeats its request while no worker answers waits with one question", async () => {
  const { watches, hold, asked } = newWatches(new Set(friends), () => true);
  const { session, frames } = newSession("alice");
  let answer = () => {};
  hold.answers = new Promise((resolve) => {
    answer = resolve;
  });
  watches.watch(session, friends.slice(0, 1), true);
  await until("the worker is asked about one user", () => asked() === 1);
  for (let i = 0; i < 1_000; i++) {
    watches.watch(session, friends.slice(0, 64), false);
    watches.watch(session, friends.slice(0, 64), true);
  }
  // The last request is not taken back, so it gets an answer.
  watches.watch(session, friends.slice(0, 64), true);
  answer();
  await until("all are known", () => new Set(frames.flat().map(({ userId }) => userId)).size === 64);
  expect(asked()).toBe(1 + 64);
  expect(frames.flat().every(({ online }) => online)).toBe(true);
  watches.stop();
});

test("users of a gateway that left the view are offline; users whom no session watches are not listened to", async () => {
  const { watches, gateways, listeners } = newWatches(new Set(["bob"]), () => true);
  const { session, frames } = newSession("alice");
  watches.watch(session, ["bob", "bob"], true);
  await until("online", () => frames.flat().at(-1)?.online === true);
  gateways.clear();
  watches.compareGateways();
  await until("offline", () => frames.flat().at(-1)?.online === false);
  expect(frames.flat().at(-1)).toMatchObject({ lastSeenAt: 7 });
  expect(listeners.size).toBe(1);
  // The gateway had only lost its lease.
  gateways.add("g");
  watches.compareGateways();
  await until("online again", () => frames.flat().at(-1)?.online === true);
  watches.disconnected(session);
  expect(listeners.size).toBe(0);
});

test("a user at a gateway that is not yet in the view is online when the gateway enters the view", async () => {
  const { watches, gateways } = newWatches(new Set(["bob"]), () => true);
  const { session, frames } = newSession("alice");
  gateways.clear();
  watches.watch(session, ["bob"], true);
  await until("an answer", () => frames.length === 1);
  expect(frames.flat()).toMatchObject([{ online: false, lastSeenAt: 1 }]);
  gateways.add("g");
  watches.compareGateways();
  await until("online", () => frames.flat().at(-1)?.online === true);
  watches.stop();
});

test("watchers never see a device offline that reconnects within 5 s", () => {
  let now = 0;
  const wheel = new TimerWheel(100, 512, () => now);
  const here = new Set(["web", "ios"]);
  const told: string[] = [];
  const users = new LocalPresence({
    wheel,
    users: { userIds: ["bob"], platforms: () => here },
    network: { publish: (_, platforms) => void told.push(platforms.sort().join(" ")) },
  });
  const pass = (ms: number) => {
    now += ms;
    wheel.advance();
  };
  users.added("bob", "web");
  here.delete("ios");
  users.removed("bob", "ios");
  for (let i = 0; i < 4; i++) {
    here.delete("web");
    users.removed("bob", "web");
    pass(1_000);
    here.add("web");
    users.added("bob", "web");
  }
  expect(new Set(told)).toEqual(new Set(["ios web"]));
  // The device that flaps does not keep the other device online.
  pass(1_100);
  expect(told.at(-1)).toBe("web");
});

test("presence that may be lost is published again: of users here, and for a while of users who have gone", async () => {
  let now = 0;
  const wheel = new TimerWheel(100, 512, () => now);
  const here = new Set(["web"]);
  const told: [string, string[]][] = [];
  const users = new LocalPresence({
    wheel,
    users: { userIds: ["alice"], platforms: (userId) => (userId === "alice" ? here : new Set()) },
    network: { publish: (userId, platforms) => void told.push([userId, platforms]) },
  });
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 100;
      wheel.advance();
    }
  };
  users.added("alice", "web");
  users.removed("bob", "ios");
  pass(5_200);
  told.length = 0;
  users.publishAgain();
  users.publishAgain();
  await until("both users are published", () => told.length === 2);
  expect(told).toEqual([
    ["alice", ["web"]],
    ["bob", []],
  ]);
  pass(60_100);
  await until("the user here is published once more", () => told.length === 3, 10_000);
  expect(told.at(-1)).toEqual(["alice", ["web"]]);
  users.stop();
});
