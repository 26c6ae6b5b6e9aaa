/**
 * Tests of several tabs of one browser: one has the connection and the storage, any may close or crash, and all show the same.
 */
import { type OpenTab, TabsWorld } from "./fixtures/tabs-world";

let world: TabsWorld;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
  world = new TabsWorld();
});

afterEach(async () => {
  const closed = world.tabs.splice(0).map(({ client }) => client.close());
  await passes(5_000);
  await Promise.all(closed);
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);
/** The first use of the platform's fetch and similar functions takes real time. */
async function online(...tabs: OpenTab[]): Promise<void> {
  for (let i = 0; i < 100 && tabs.some((tab) => stateOf(tab) !== "online"); i++) await passes(100);
}

const stateOf = ({ client }: OpenTab) => client.state.name;

test("two tabs share one connection and one log-in, and both show what is written in either", async () => {
  const [a, b] = [world.open(), world.open()];
  await online(a, b);
  expect([stateOf(a), stateOf(b), world.cluster.logIns]).toEqual(["online", "online", 1]);
  const sent = [world.send(a, "from a"), world.send(b, "from b")];
  world.cluster.store("bob", { clientMsgId: "b-1", content: "from bob" });
  await passes(1_000);
  expect(await Promise.all(sent)).toMatchObject([{ seq: 2 }, { seq: 3 }]);
  const shown = [
    ["from bob", "delivered"],
    ["from a", "sent"],
    ["from b", "sent"],
  ]
    .map((one) => one.join(" "))
    .sort();
  expect([world.view(a).sort(), world.view(b).sort()]).toEqual([shown, shown]);
  expect([a.shown, b.shown]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
});

test.each(["closes", "crashes"])(
  "when the tab that has the connection %s, another continues with the requests in flight",
  async (how) => {
    const [a, b, c] = [world.open(), world.open(), world.open()];
    await online(a, b, c);
    world.cluster.isUp = false;
    world.cluster.cut();
    const waiting = world.send(b, "written offline in b");
    world.send(a, "written offline in a").catch(() => {});
    await passes(1_000);
    expect(world.view(c).sort()).toEqual(["written offline in a sending", "written offline in b sending"]);
    if (how === "crashes") world.crash(a);
    else {
      await Promise.all([a.client.close(), passes(5_000)]);
      world.tabs.splice(0, 1);
    }
    world.cluster.isUp = true;
    await passes(60_000);
    expect([stateOf(b), stateOf(c), world.cluster.logIns]).toEqual(["online", "online", 1]);
    expect(await waiting).toMatchObject({ conversationId: "p:alice:bob" });
    const contents = world.cluster.events.map(({ content }) => content);
    expect(contents.sort()).toEqual(["written offline in a", "written offline in b"]);
    expect([b.shown.length, c.shown.length, b.errors, c.errors]).toEqual([2, 2, [], []]);
  },
);

test("a tab that is opened later shows all messages, also those that are not sent yet", async () => {
  const a = world.open();
  await online(a);
  world.cluster.store("bob", { clientMsgId: "b-1", content: "early" });
  await passes(1_000);
  world.cluster.isUp = false;
  world.cluster.cut();
  world.send(a, "waits").catch(() => {});
  await passes(1_000);
  const b = world.open();
  await passes(1_000);
  expect(world.view(b)).toEqual(["early delivered", "waits sending"]);
  expect(stateOf(b)).toBe(stateOf(a));
});

test("an event is acknowledged when the listeners of all tabs are done, and a tab that sleeps holds up none for long", async () => {
  const [a, b] = [world.open(), world.open()];
  await online(a, b);
  let isDone: () => void = () => {};
  b.client.on(
    "message",
    () =>
      new Promise<void>((resolve) => {
        isDone = resolve;
      }),
  );
  world.cluster.store("bob", { clientMsgId: "b-1", content: "1" });
  await passes(3_000);
  expect(world.cluster.acknowledged).toBe(0);
  isDone();
  await passes(1_000);
  expect(world.cluster.acknowledged).toBe(1);
  world.cluster.store("bob", { clientMsgId: "b-2", content: "2" });
  await passes(6_000);
  expect([world.cluster.acknowledged, a.shown]).toEqual([2, [1, 2]]);
});

test("log-out in one tab ends all tabs, revokes the session and leaves nothing", async () => {
  const [a, b] = [world.open(), world.open()];
  await online(a, b);
  const out = b.client.logOut();
  await passes(5_000);
  await out;
  expect([stateOf(a), stateOf(b), await world.storage.keys()]).toEqual(["closed", "closed", []]);
  world.tabs.length = 0;
});

test("tabs that open at once use a stored refresh token once: they need no password, and no session ends", async () => {
  const first = world.open();
  await online(first);
  world.crash(first);
  const [a, b] = [world.open({ hasPassword: false }), world.open({ hasPassword: false })];
  await passes(5_000);
  expect([stateOf(a), stateOf(b), world.cluster.logIns, world.cluster.ended]).toEqual([
    "online",
    "online",
    1,
    undefined,
  ]);
});

test("takeOver brings the connection to a tab, and the other tab works through it", async () => {
  const [a, b] = [world.open(), world.open()];
  await online(a, b);
  const taken = b.client.takeOver();
  await passes(5_000);
  await taken;
  const sent = world.send(a, "through b");
  await passes(1_000);
  expect(await sent).toMatchObject({ seq: 1 });
  world.crash(a);
  await passes(1_000);
  expect([stateOf(b), world.cluster.hasConnection]).toEqual(["online", true]);
});

test("without locks the older tab is elsewhere, keeps messages, and takes over when the app says so", async () => {
  const a = world.open({ hasLocks: false });
  await online(a);
  const b = world.open({ hasLocks: false });
  await passes(2_000);
  expect([stateOf(a), stateOf(b)]).toEqual(["elsewhere", "online"]);
  world.send(a, "kept").catch(() => {});
  await passes(1_000);
  expect(world.view(a)).toEqual(["kept sending"]);
  const taken = a.client.takeOver();
  await passes(5_000);
  await taken;
  expect([stateOf(a), stateOf(b)]).toEqual(["online", "elsewhere"]);
  expect(world.cluster.events.map(({ content }) => content)).toEqual(["kept"]);
});

test("both tabs get the presence of a user whom both watch, and a closed tab watches no user", async () => {
  const [a, b] = [world.open(), world.open()];
  await online(a, b);
  a.client.watchPresence(["bob"]);
  b.client.watchPresence(["bob", "carol"]);
  await passes(1_000);
  expect([...world.cluster.watched].sort()).toEqual(["bob", "carol"]);
  world.crash(b);
  await passes(5_000);
  expect([...world.cluster.watched]).toEqual(["bob"]);
});

test.each([0, 1])("log-out works after a takeOver, in tab %i", async (which) => {
  const tabs = [world.open(), world.open()];
  await online(...tabs);
  tabs[1]!.client.takeOver().catch(() => {});
  await passes(5_000);
  const out = tabs[which]!.client.logOut();
  await passes(10_000);
  await out;
  expect([...tabs.map(stateOf), await world.storage.keys()]).toEqual(["closed", "closed", []]);
});
