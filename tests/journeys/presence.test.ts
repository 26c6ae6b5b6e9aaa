/** Presence and typing: users who are online, users who are writing, and the users who may see it. */
import { Command } from "@carillon/protocol";
import { type LinkedCluster, type Person, type RawClient, startLinkedCluster, until } from "@carillon/testkit";

let cluster: LinkedCluster;
beforeAll(async () => {
  cluster = await startLinkedCluster("gateway-");
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const patience = 120_000;

interface Shown {
  userId: string;
  online: boolean;
  platforms: string[];
  lastSeenAt: number;
}

async function befriend(a: Person, b: Person): Promise<void> {
  await cluster.http("POST", "/v1/friend-requests", { token: a.token, body: { userId: b.userId } });
  const accepted = await cluster.http("POST", `/v1/friend-requests/${a.userId}/accept`, { token: b.token });
  expect(accepted.status).toBeLessThan(300);
}

async function watch(client: RawClient, ...people: Person[]): Promise<void> {
  const payload = { userIds: people.map(({ userId }) => userId), on: true };
  expect((await client.request(Command.WATCH_PRESENCE, payload)).command).toBe(Command.OK);
}

/** Returns the presence of a user that a client received, in order. */
function told(client: RawClient, { userId }: Person): Shown[] {
  return client.frames
    .filter(({ command }) => command === Command.PRESENCE)
    .flatMap(({ payload }) => payload.users as Shown[])
    .filter((user) => user.userId === userId);
}

const sees = (client: RawClient, person: Person, online: boolean) =>
  until(
    `${person.userId} ${online ? "online" : "offline"}`,
    () => told(client, person).at(-1)?.online === online,
    patience,
  );

/** Connects a user whose gateway is restarting. */
async function comeBack(person: Person): Promise<RawClient> {
  let client: RawClient | undefined;
  await until(
    "their gateway is back",
    async () => (client = await cluster.online(person, "tcp").catch(() => undefined)),
    patience,
  );
  return client!;
}

/** The same, over HTTP. */
async function presence({ token }: Person, ...people: Person[]): Promise<Shown[]> {
  const ids = people.map(({ userId }) => userId).join(",");
  const answer = await cluster.http("GET", `/v1/presence?ids=${ids}`, { token });
  expect(answer.status).toBe(200);
  return answer.body.items;
}

test("friends see each other connect and disconnect, with platforms and the last time; others see nobody", async () => {
  const [alice, bob, mallory] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("mallory"),
  ];
  await befriend(alice, bob);
  const a = await cluster.online(alice, "tcp");
  const m = await cluster.online(mallory, "json");
  const nobody = { ...bob, userId: "nobody-at-all" };
  await watch(a, bob, nobody);
  await watch(m, bob, nobody);
  await sees(a, bob, false);
  const before = Date.now();
  const b = await cluster.online(bob, "ws");
  await sees(a, bob, true);
  expect(told(a, bob).at(-1)).toMatchObject({ platforms: ["other"] });
  expect(told(a, bob).at(-1)!.lastSeenAt).toBeGreaterThan(before - 60_000);
  expect(await presence(alice, bob, mallory)).toMatchObject([
    { online: true, platforms: ["other"] },
    { online: false },
  ]);
  b.close();
  await sees(a, bob, false);
  await until("the time, for good", async () => (await presence(alice, bob))[0]!.lastSeenAt >= before, patience);
  const unknown = { online: false, platforms: [], lastSeenAt: 0 };
  expect(told(m, bob)).toEqual([{ userId: bob.userId, ...unknown }]);
  expect(told(m, nobody)).toEqual([{ userId: nobody.userId, ...unknown }]);
  expect(await presence(mallory, bob, nobody)).toEqual([
    { userId: bob.userId, ...unknown },
    { userId: nobody.userId, ...unknown },
  ]);
  for (const client of [a, m]) client.close();
}, 200_000);

test("a former friend sees nobody, and a new friend sees the user at once", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  await watch(a, bob);
  await sees(a, bob, false);
  await befriend(alice, bob);
  await sees(a, bob, true);
  expect((await cluster.http("DELETE", `/v1/friends/${alice.userId}`, { token: bob.token })).status).toBe(204);
  // Before the answer was given, it was hidden.
  await sees(a, bob, false);
  await a.until("bob looks like one who was never there", () => told(a, bob).at(-1)?.lastSeenAt === 0);
  b.close();
  await cluster.online(bob, "ws");
  expect((await presence(alice, bob))[0]).toMatchObject({ online: false, lastSeenAt: 0 });
  expect(told(a, bob).filter(({ online }) => online)).toHaveLength(1);
  a.close();
}, 200_000);

test("a flapping device causes no updates, and a device of another platform causes one", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  await befriend(alice, bob);
  const a = await cluster.online(alice, "tcp");
  let b = await cluster.online(bob, "tcp");
  await watch(a, bob);
  await sees(a, bob, true);
  for (let i = 0; i < 5; i++) {
    b.destroy();
    b = await cluster.online(bob, "tcp");
  }
  const body = { userId: bob.userId, password: "correct horse battery", deviceId: "phone", platform: "ios" };
  const { accessToken } = (await cluster.http("POST", "/v1/sessions", { body })).body;
  const phone = { ...bob, token: accessToken, deviceId: "phone" };
  await cluster.online(phone, "tcp", { platform: "ios" });
  await until("both", () => told(a, bob).at(-1)!.platforms.length === 2, patience);
  expect(told(a, bob).map(({ platforms }) => platforms)).toEqual([["other"], ["ios", "other"]]);
  // A user who stops watching gets no more updates.
  await a.request(Command.WATCH_PRESENCE, { userIds: [bob.userId], on: false });
  b.close();
  const again = await cluster.online(alice, "ws");
  await watch(again, bob);
  await until("one platform", () => told(again, bob).at(-1)?.platforms.join() === "ios", patience);
  expect(told(a, bob)).toHaveLength(2);
}, 200_000);

test("typing reaches users to whom the writer may write, on all their devices, and nobody else", async () => {
  const [alice, bob, carol] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("carol"),
  ];
  const [a, b, c] = await Promise.all([alice, bob, carol].map((person) => cluster.online(person, "tcp")));
  const tablet = await cluster.online(await cluster.device(bob, "tablet"), "json");
  const conversationId = `p:${[alice.userId, bob.userId].sort().join(":")}`;
  a!.send(Command.TYPING, { conversationId });
  for (const client of [b!, tablet]) {
    expect((await client.nextOf(Command.TYPING)).payload).toEqual({ conversationId, userId: alice.userId });
  }
  // Into a conversation of others nobody types.
  c!.send(Command.TYPING, { conversationId });
  const group = await cluster.http("POST", "/v1/groups", {
    token: carol.token,
    body: { name: "choir", joinPolicy: "invite", members: [bob.userId] },
  });
  const inGroup = `g:${group.body.groupId}`;
  a!.send(Command.TYPING, { conversationId: inGroup });
  c!.send(Command.TYPING, { conversationId: inGroup });
  expect((await b!.nextOf(Command.TYPING)).payload).toEqual({ conversationId: inGroup, userId: carol.userId });
  // Blocked, in either direction.
  expect((await cluster.http("PUT", `/v1/blocks/${alice.userId}`, { token: bob.token })).status).toBeLessThan(300);
  const dave = await cluster.person("dave");
  const d = await cluster.online(dave, "tcp");
  await until(
    "the throttle is over",
    async () => {
      a!.send(Command.TYPING, { conversationId });
      b!.send(Command.TYPING, { conversationId });
      d.send(Command.TYPING, { conversationId: `p:${[dave.userId, bob.userId].sort().join(":")}` });
      return b!.frames.some(({ command, payload }) => command === Command.TYPING && payload.userId === dave.userId);
    },
    patience,
  );
  const hints = (client: RawClient) => client.frames.filter(({ command }) => command === Command.TYPING);
  expect(hints(b!).filter(({ payload }) => payload.userId === alice.userId)).toHaveLength(1);
  expect(hints(a!)).toEqual([]);
  expect(hints(c!)).toEqual([]);
}, 200_000);

test("a connection watches 500 users at most", async () => {
  const alice = await cluster.person("alice");
  const a = await cluster.online(alice, "tcp");
  const userIds = Array.from({ length: 500 }, (_, i) => `stranger-${i}`);
  for (let at = 0; at < 500; at += 50) {
    const payload = { userIds: userIds.slice(at, at + 50), on: true };
    expect((await a.request(Command.WATCH_PRESENCE, payload)).command).toBe(Command.OK);
  }
  const refused = await a.request(Command.WATCH_PRESENCE, { userIds: ["one-more"], on: true });
  expect(refused.payload).toMatchObject({ name: "FORBIDDEN" });
  expect((await a.request(Command.WATCH_PRESENCE, { userIds: userIds.slice(0, 1), on: false })).command).toBe(
    Command.OK,
  );
  expect((await a.request(Command.WATCH_PRESENCE, { userIds: ["one-more"], on: true })).command).toBe(Command.OK);
  a.close();
});

test("a gateway is cut off or killed: in the end all users see the right presence", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  await befriend(alice, bob);
  const a = await cluster.online(alice, "tcp");
  await watch(a, bob);
  cluster.link.cut();
  cluster.link.heal();
  const b = await cluster.online(bob, "tcp");
  await sees(a, bob, true);
  const [home] = await cluster.route(bob);
  const [watching] = await cluster.route(alice);
  const { pid } = cluster.info().gateways.find(({ nodeId }) => nodeId === home!.gatewayId)!;
  process.kill(pid, "SIGKILL");
  await b.closed();
  // The watcher may have been at the same gateway.
  const eyes = home!.gatewayId === watching!.gatewayId ? await comeBack(alice) : a;
  if (eyes !== a) await watch(eyes, bob);
  await sees(eyes, bob, false);
}, 300_000);
