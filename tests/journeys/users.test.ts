/** What users change about themselves, and operators about users: it counts at once, at every gateway and worker. */
import { uuidv7 } from "@carillon/base";
import { CloseCode, Command } from "@carillon/protocol";
import { PASSWORD, type Person, type RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
}, 60_000);

const call = ({ token }: Person, method: string, path: string, body?: object) =>
  cluster.http(method, path, body === undefined ? { token } : { token, body });
const logIn = (userId: string, deviceId: string, password = PASSWORD) =>
  cluster.http("POST", "/v1/sessions", { body: { userId, password, deviceId, platform: "other" } });

async function outcome(client: RawClient, to: Person): Promise<string> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content: "hello" };
  const answer = await client.request(Command.SEND, payload);
  return answer.command === Command.SENT ? "SENT" : answer.payload.name;
}

test("a new name is seen by others, and the other devices hear of it", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const tablet = await cluster.online(await cluster.device(alice, "tablet"), "ws");
  const renamed = await call(alice, "PATCH", "/v1/users/me", { displayName: "Alice Ångström" });
  expect(renamed).toMatchObject({ status: 200, body: { userId: alice.userId, displayName: "Alice Ångström" } });
  const { payload } = await tablet.until("CHANGED", () => tablet.frames.find((it) => it.command === Command.CHANGED));
  expect(payload).toEqual({ what: "profile", version: expect.any(Number) });
  expect((await call(bob, "GET", `/v1/users/${alice.userId}`)).body.displayName).toBe("Alice Ångström");
});

test("users are found by the beginning of id or name, whatever the case, page by page", async () => {
  const [first, second] = [await cluster.person("zoe"), await cluster.person("zoe")];
  await call(second, "PATCH", "/v1/users/me", { displayName: "Öse 100%" });
  const ids = async (query: string) =>
    (await call(first, "GET", `/v1/users?${query}`)).body.items.map(({ userId }: Person) => userId);
  expect(await ids("search=ZOE-")).toEqual([first.userId, second.userId].sort());
  expect(await ids(`search=${encodeURIComponent("öse 100%")}`)).toEqual([second.userId]);
  expect(await ids("search=%25")).toEqual([]);
  const page = (await call(first, "GET", "/v1/users?search=zoe-&limit=1")).body;
  const next = (await call(first, "GET", `/v1/users?search=zoe-&limit=1&cursor=${page.cursor}`)).body;
  expect([...page.items, ...next.items].map(({ userId }) => userId)).toEqual([first.userId, second.userId].sort());
  expect(next.cursor).toBeUndefined();
  expect((await call(first, "GET", "/v1/users")).body.name).toBe("BAD_PAYLOAD");
});

test("a new password ends the sessions of the other devices, and the old one is void", async () => {
  const phone = await cluster.person("alice");
  const laptop = await cluster.device(phone, "laptop");
  const [kept, lost] = [await cluster.online(phone, "tcp"), await cluster.online(laptop, "ws")];
  const change = (oldPassword: string, newPassword: string) =>
    call(phone, "PUT", "/v1/users/me/password", { oldPassword, newPassword });
  expect((await change("not this one", "another password")).body.name).toBe("FORBIDDEN");
  expect((await change(PASSWORD, "short")).body.name).toBe("BAD_PAYLOAD");
  expect((await change(PASSWORD, "another password")).status).toBe(204);
  expect(await lost.closed()).toBe(CloseCode.TOKEN_REVOKED);
  expect((await kept.request(Command.PING)).command).toBe(Command.PONG);
  const refresh = { body: { refreshToken: laptop.refreshToken } };
  expect((await cluster.http("POST", "/v1/sessions/refresh", refresh)).body.name).toBe("NOT_AUTHENTICATED");
  expect((await logIn(phone.userId, "laptop")).body.name).toBe("NOT_AUTHENTICATED");
  expect((await logIn(phone.userId, "laptop", "another password")).status).toBe(200);
});

test("who deletes his account is gone for all; his messages stay, under another name", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [fromAlice, fromBob] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  expect((await call(alice, "DELETE", "/v1/users/me")).status).toBe(204);
  expect(await fromAlice.closed()).toBe(-1);
  expect(await outcome(fromBob, alice)).toBe("NO_SUCH_USER");
  expect((await logIn(alice.userId, "device-1")).body.name).toBe("NOT_AUTHENTICATED");
  expect((await call(alice, "GET", "/v1/users/me")).status).toBe(401);
  expect((await call(bob, "GET", `/v1/users/${alice.userId}`)).body.displayName).toBe("deleted user");
  const [{ conversationId }] = (await call(bob, "GET", "/v1/conversations")).body.items;
  const history = await call(bob, "GET", `/v1/conversations/${conversationId}/messages`);
  expect(history.body.messages).toMatchObject([{ senderId: alice.userId, content: "hello" }]);
  const again = { userId: alice.userId, displayName: "x", password: PASSWORD };
  expect((await cluster.http("POST", "/v1/users", { body: again })).body.name).toBe("CONFLICT");
});
