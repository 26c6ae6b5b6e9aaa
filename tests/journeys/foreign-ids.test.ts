/** Users with the ids of another system: they do everything that users do, wherever an id goes. */
import { randomId, uuidv7 } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { Command, privateConversationId } from "@carillon/protocol";
import { type Person, type RawTransport, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

let cluster: TestCluster;
let key: string;
beforeAll(async () => {
  cluster = await startTestCluster({
    env: { CARILLON_GROUPS_WRITE_FANOUT_MAX: "2", CARILLON_POLICY_PRESENCE: "everybody" },
  });
  const made = await runCarillon(cluster, "keys", "create", "a test", "--scopes", "users,tokens,messages");
  key = made.document.key;
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const call = (token: string, method: string, where: string, body?: object) =>
  cluster.http(method, where, body === undefined ? { token } : { token, body });

async function person(userId: string): Promise<Person> {
  expect(await call(key, "POST", "/v1/admin/users", { userId, displayName: "Someone" })).toMatchObject({ status: 201 });
  const { status, body } = await call(key, "POST", "/v1/admin/tokens", {
    userId,
    deviceId: "phone",
    platform: "other",
  });
  expect([status, body.userId]).toEqual([200, userId]);
  return { userId, deviceId: "phone", token: body.accessToken, refreshToken: body.refreshToken };
}

const IDS: [name: string, make: () => string][] = [
  ["a UUID", () => crypto.randomUUID()],
  ["an e-mail address", () => `ann.lee+${randomId(6).replace(/[_-]/g, "x")}@mail.example`],
  ["an id of Auth0", () => `auth0|${randomId(24)}`],
  ["dots", () => `a..${randomId(6)}..`],
  ["an underscore in front", () => `_${randomId(8)}`],
  ["64 characters", () => `x${randomId(8)}`.padEnd(64, "|")],
];

describe.each(IDS)("%s", (_name, make) => {
  let alice: Person;
  let bob: Person;
  beforeAll(async () => {
    [alice, bob] = [await person(make()), await person(make())];
  });

  test.each<[RawTransport, RawTransport]>([
    ["tcp", "ws"],
    ["json", "tcp"],
  ])("writes over %s to one over %s, who reads", async (one, other) => {
    const [from, to] = [await cluster.online(alice, one), await cluster.online(bob, other)];
    const content = `hello over ${one}`;
    const wanted = { clientMsgId: uuidv7(Date.now()), to: `u:${bob.userId}`, contentType: "text", content };
    const sent = await from.request(Command.SEND, wanted);
    const conversationId = privateConversationId(alice.userId, bob.userId);
    expect(sent).toMatchObject({ command: Command.SENT, payload: { conversationId } });
    await to.until("the message", () => to.events.some(({ event }) => event["content"] === content));
    expect((await to.request(Command.READ, { conversationId, seq: sent.payload.seq })).command).toBe(Command.OK);
    const messages = `/v1/conversations/${encodeURIComponent(conversationId)}/messages`;
    await until("the archive has it", async () => {
      const { body } = await call(bob.token, "GET", messages);
      return body.messages?.some((each: { content: string }) => each.content === content);
    });
    from.close();
    to.close();
  });

  test("is a friend, is searched, is seen online, belongs to a group that is small, and large", async () => {
    const step = (userId: string) => encodeURIComponent(userId);
    expect((await call(alice.token, "POST", "/v1/friend-requests", { userId: bob.userId })).status).toBe(201);
    expect((await call(bob.token, "POST", `/v1/friend-requests/${step(alice.userId)}/accept`)).status).toBe(204);
    const found = (await call(bob.token, "GET", `/v1/users?search=${step(alice.userId)}`)).body;
    expect(found.items.map(({ userId }: Person) => userId)).toContain(alice.userId);
    const [watcher, seen] = [await cluster.online(bob, "tcp"), await cluster.online(alice, "ws")];
    watcher.send(Command.WATCH_PRESENCE, { userIds: [alice.userId], on: true });
    const isOnline = (on: boolean) =>
      watcher.frames.some(({ payload }) =>
        payload?.users?.some(
          (user: { userId: string; online: boolean }) => user.userId === alice.userId && user.online === on,
        ),
      );
    await until("alice is seen", () => isOnline(true));
    const online = await call(bob.token, "GET", `/v1/presence?ids=${step(alice.userId)},${step(bob.userId)}`);
    expect(online.body.items).toMatchObject([{ userId: alice.userId, online: true }, { userId: bob.userId }]);
    const made = await call(bob.token, "POST", "/v1/groups", {
      name: "we",
      joinPolicy: "open",
      members: [alice.userId],
    });
    const third = await person(make());
    const where = `/v1/groups/${made.body.groupId}/members`;
    expect((await call(bob.token, "POST", where, { userId: third.userId })).status).toBe(201);
    expect((await call(bob.token, "PATCH", `${where}/${step(alice.userId)}`, { role: "admin" })).status).toBeLessThan(
      300,
    );
    const notices = () => seen.frames.filter(({ command }) => command === Command.NOTIFY).length;
    await until("the large group is told", () => notices() > 0);
    seen.close();
    await until("alice has gone", () => isOnline(false));
    watcher.close();
  });

  test("refreshes, is named by commands, and is used by the SDK", async () => {
    const client = new CarillonClient({
      api: cluster.info().api,
      platform: "other",
      deviceId: "laptop",
      session: (
        await call(key, "POST", "/v1/admin/tokens", { userId: alice.userId, deviceId: "laptop", platform: "other" })
      ).body,
    });
    await client.connect();
    const { conversationId } = await client.send(`u:${bob.userId}`, "from the SDK");
    expect(conversationId).toBe(privateConversationId(alice.userId, bob.userId));
    await client.close();
    const { body } = await cluster.http("POST", "/v1/sessions/refresh", { body: { refreshToken: bob.refreshToken } });
    expect(body).toMatchObject({ userId: bob.userId });
    const shown = await runCarillon(cluster, "users", "show", bob.userId);
    expect(shown.document.user.userId).toBe(bob.userId);
    const record = await call(key, "GET", `/v1/admin/users/${encodeURIComponent(alice.userId)}`);
    expect(record.body.userId).toBe(alice.userId);
    const message = { senderId: alice.userId, to: `u:${bob.userId}`, contentType: "text", content: "by a key" };
    expect((await call(key, "POST", "/v1/messages", { ...message, clientMsgId: uuidv7(Date.now()) })).status).toBe(200);
  });
});
