/** Users change their accounts, and operators change users: each change counts at once, at every gateway and worker. */
import { uuidv7 } from "@carillon/base";
import { CloseCode, Command } from "@carillon/protocol";
import { PASSWORD, type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { createPool, type Pool } from "mysql2/promise";
import { runCarillon } from "./fixtures/run-carillon";

let cluster: TestCluster;
let pool: Pool;
beforeAll(async () => {
  cluster = await startTestCluster();
  pool = createPool({ uri: cluster.info().mysql.url });
}, 300_000);
afterAll(async () => {
  await pool?.end();
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

test("users are found by the beginning of id or name, whatever the case and accents, page by page", async () => {
  const [first, second] = [await cluster.person("zoe"), await cluster.person("zoe")];
  await call(second, "PATCH", "/v1/users/me", { displayName: "Öse 100%" });
  const ids = async (query: string) =>
    (await call(first, "GET", `/v1/users?${query}`)).body.items.map(({ userId }: Person) => userId);
  expect((await ids("search=ZOE-")).sort()).toEqual([first.userId, second.userId].sort());
  expect(await ids(`search=${encodeURIComponent(" ose 1")}`)).toEqual([second.userId]);
  expect(await ids(`search=${encodeURIComponent("öse 100%")}`)).toEqual([second.userId]);
  expect(await ids("search=%25")).toEqual([]);
  const page = (await call(first, "GET", "/v1/users?search=zoe-&limit=1")).body;
  const next = (await call(first, "GET", `/v1/users?search=zoe-&limit=1&cursor=${page.cursor}`)).body;
  const both = [...page.items, ...next.items].map(({ userId }) => userId);
  expect(both.sort()).toEqual([first.userId, second.userId].sort());
  expect(next.cursor).toBeUndefined();
  await carillon("users", "disable", second.userId);
  expect(await ids("search=zoe-")).toEqual([first.userId]);
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

test("a user who deletes their account is gone for all; their messages stay, under another name", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [fromAlice, fromBob] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  // A token alone is not enough.
  expect((await call(alice, "DELETE", "/v1/users/me")).body.name).toBe("FORBIDDEN");
  expect((await call(alice, "DELETE", "/v1/users/me", { password: "wrong" })).body.name).toBe("FORBIDDEN");
  expect((await call(alice, "DELETE", "/v1/users/me", { password: PASSWORD })).status).toBe(204);
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

test("with the account the user leaves all groups; an owned group goes to an admin, and a group without others ends", async () => {
  const people = await Promise.all(["alice", "bob", "carl"].map((name) => cluster.person(name)));
  const [alice, bob, carl] = people as [Person, Person, Person];
  const make = async (owner: Person, members: Person[]) => {
    const body = { name: "g", joinPolicy: "invite", members: members.map(({ userId }) => userId) };
    return (await call(owner, "POST", "/v1/groups", body)).body.groupId as string;
  };
  const owned = await make(alice, [bob, carl]);
  await call(alice, "PATCH", `/v1/groups/${owned}/members/${carl.userId}`, { role: "admin" });
  const [joined, alone] = [await make(bob, [alice]), await make(alice, [])];
  expect((await call(alice, "DELETE", "/v1/users/me", { password: PASSWORD })).status).toBe(204);
  const group = async (groupId: string) => (await call(bob, "GET", `/v1/groups/${groupId}`)).body;
  await until("carl owns the group", async () => (await group(owned)).ownerId === carl.userId);
  await until("alice has left it", async () => (await group(owned)).memberCount === 2);
  await until("alice has left the other one", async () => (await group(joined)).memberCount === 1);
  const isDone = async () => {
    const [left] = await pool.query("SELECT 1 FROM departures WHERE user_id = ?", [alice.userId]);
    return (left as unknown[]).length === 0;
  };
  await until("nothing is left to do", isDone);
  const [rows] = await pool.query("SELECT dissolved_at AS at FROM user_groups WHERE id = ?", [alone]);
  expect(Number((rows as { at: number }[])[0]!.at)).toBeGreaterThan(0);
});

test("with the account end friendships, requests and blocks; the others' devices hear of it", async () => {
  const names = ["alice", "friend", "asker", "asked", "blocker", "blocked"];
  const [alice, ...others] = (await Promise.all(names.map((name) => cluster.person(name)))) as [Person, ...Person[]];
  const [friend, asker, asked, blocker, blocked] = others as [Person, Person, Person, Person, Person];
  const request = (from: Person, to: Person) => call(from, "POST", "/v1/friend-requests", { userId: to.userId });
  await request(alice, friend);
  await call(friend, "POST", `/v1/friend-requests/${alice.userId}/accept`);
  await request(asker, alice);
  await request(alice, asked);
  await call(blocker, "PUT", `/v1/blocks/${alice.userId}`);
  await call(alice, "PUT", `/v1/blocks/${blocked.userId}`);
  const device = await cluster.online(friend, "tcp");
  const { versions } = (await device.request(Command.SYNC, {})).payload;
  expect((await call(alice, "DELETE", "/v1/users/me", { password: PASSWORD })).status).toBe(204);
  await until("the friend's device hears of it", () =>
    device.frames.some(({ command, payload }) => command === Command.CHANGED && payload.what === "relations"),
  );
  const synced = (await device.request(Command.SYNC, { relationsVersion: versions.relations })).payload;
  expect(synced).toMatchObject({ relations: [{ userId: alice.userId, state: "none" }], counts: { relations: 0 } });
  for (const one of others) {
    for (const list of ["friends", "friend-requests", "blocks"]) {
      const isEmpty = async () => (await call(one, "GET", `/v1/${list}`)).body.items.length === 0;
      await until(`the ${list} of ${one.userId} are empty`, isEmpty);
    }
  }
  expect((await request(friend, alice)).body.name).toBe("NO_SUCH_USER");
  device.close();
});

test("with the account end requests to be let into groups, and invitations by and to its user", async () => {
  const people = await Promise.all(["alice", "bob", "carl"].map((name) => cluster.person(name)));
  const [alice, bob, carl] = people as [Person, Person, Person];
  const make = async (owner: Person, joinPolicy: string, members: Person[] = []) => {
    const body = { name: "g", joinPolicy, members: members.map(({ userId }) => userId) };
    return (await call(owner, "POST", "/v1/groups", body)).body.groupId as string;
  };
  for (const one of [alice, carl]) await call(one, "PATCH", "/v1/users/me", { whoMayAdd: "consent" });
  const [guarded, shared, own] = [
    await make(bob, "approval"),
    await make(alice, "open", [bob]),
    await make(bob, "open"),
  ];
  const refusing = await make(bob, "approval");
  await call(alice, "POST", `/v1/groups/${refusing}/members`, { userId: alice.userId });
  await call(bob, "POST", `/v1/groups/${refusing}/requests/${alice.userId}/reject`);
  expect((await call(alice, "POST", `/v1/groups/${guarded}/members`, { userId: alice.userId })).body.state).toBe(
    "asked",
  );
  expect((await call(alice, "POST", `/v1/groups/${shared}/members`, { userId: carl.userId })).body.state).toBe(
    "invited",
  );
  expect((await call(bob, "POST", `/v1/groups/${own}/members`, { userId: alice.userId })).body.state).toBe("invited");
  expect((await call(alice, "DELETE", "/v1/users/me", { password: PASSWORD })).status).toBe(204);
  const count = async (table: string) => {
    const [rows] = await pool.query(`SELECT 1 FROM ${table} WHERE user_id = ?`, [alice.userId]);
    return (rows as unknown[]).length;
  };
  await until("nothing is left to do", async () => (await count("departures")) === 0);
  expect([await count("group_requests"), await count("group_invitations")]).toEqual([0, 0]);
  expect((await call(bob, "GET", `/v1/groups/${guarded}/requests`)).body.items).toEqual([]);
  expect((await call(carl, "GET", "/v1/group-invitations")).body.items).toEqual([]);
  expect((await call(bob, "GET", `/v1/groups/${shared}`)).body).toMatchObject({ ownerId: bob.userId, memberCount: 1 });
});

test("the successor of an owner is the member who joined first, admins before members, and no disabled user", async () => {
  const names = ["alice", "z-first", "y-second", "x-third"];
  const [alice, first, second, third] = (await Promise.all(names.map((name) => cluster.person(name)))) as Person[];
  const make = async () => {
    const body = { name: "g", joinPolicy: "open" };
    const { groupId } = (await call(alice!, "POST", "/v1/groups", body)).body;
    for (const one of [first!, second!, third!]) {
      await call(one, "POST", `/v1/groups/${groupId}/members`, { userId: one.userId });
    }
    return groupId as string;
  };
  const [plain, withAdmins] = [await make(), await make()];
  for (const one of [second!, third!]) {
    await call(alice!, "PATCH", `/v1/groups/${withAdmins}/members/${one.userId}`, { role: "admin" });
  }
  await carillon("users", "disable", second!.userId);
  expect((await call(alice!, "DELETE", "/v1/users/me", { password: PASSWORD })).status).toBe(204);
  const ownerOf = async (groupId: string) => (await call(third!, "GET", `/v1/groups/${groupId}`)).body.ownerId;
  await until("the first one has it", async () => (await ownerOf(plain)) === first!.userId);
  await until("the admin who may act has it", async () => (await ownerOf(withAdmins)) === third!.userId);
});

const carillon = (...args: string[]) => runCarillon(cluster, ...args);

test("the command makes the first operator, who sees all users, and others do not", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  expect((await call(alice, "GET", "/v1/admin/users")).body.name).toBe("FORBIDDEN");
  const made = await carillon("users", "make-operator", alice.userId);
  expect(made).toMatchObject({ code: 0, document: { user: { userId: alice.userId, role: "operator" } } });
  const all = await call(alice, "GET", "/v1/admin/users?limit=200");
  expect(all.body.items.map(({ userId }: Person) => userId)).toEqual(
    expect.arrayContaining([alice.userId, bob.userId]),
  );
  const { body } = await call(alice, "GET", `/v1/admin/users/${bob.userId}`);
  expect(body).toMatchObject({ userId: bob.userId, status: "normal", mutedUntil: 0, role: "user" });
  expect((await call(alice, "GET", "/v1/admin/users/nobody")).body.name).toBe("NO_SUCH_USER");
  const listed = await carillon("users", "list", "--role", "operator");
  expect(listed.document.users.map(({ userId }: Person) => userId)).toContain(alice.userId);
  expect((await carillon("users", "make-operator", alice.userId, "--undo")).document.user.role).toBe("user");
  expect((await call(alice, "GET", "/v1/admin/users")).body.name).toBe("FORBIDDEN");
}, 120_000);

test("a disabled user is disconnected and cannot log in until they are enabled", async () => {
  const alice = await cluster.person("alice");
  const client = await cluster.online(alice, "ws");
  const disabled = await carillon("users", "disable", alice.userId);
  expect(disabled).toMatchObject({ code: 0, document: { user: { status: "disabled" }, unconfirmed: [] } });
  expect(await client.closed()).toBe(CloseCode.USER_DISABLED);
  await expect(cluster.online(alice, "tcp")).rejects.toThrow("USER_DISABLED");
  expect((await logIn(alice.userId, "device-1")).body.name).toBe("USER_DISABLED");
  expect((await call(alice, "GET", "/v1/users/me")).body.name).toBe("USER_DISABLED");
  expect((await carillon("users", "enable", alice.userId)).document.user.status).toBe("normal");
  (await cluster.online(alice, "tcp")).close();
  const { code, stderr } = await carillon("users", "disable", "nobody-of-this-name");
  expect([code, stderr]).toEqual([2, expect.stringContaining("there is no user nobody-of-this-name")]);
}, 120_000);

test("a muted user cannot write from the next message on, and can write again when the mute is over", async () => {
  const [operator, alice, bob] = [
    await cluster.person("operator"),
    await cluster.person("alice"),
    await cluster.person("bob"),
  ];
  await carillon("users", "make-operator", operator.userId);
  const client = await cluster.online(alice, "tcp");
  expect(await outcome(client, bob)).toBe("SENT");
  const mute = (until: number) => call(operator, "POST", `/v1/admin/users/${alice.userId}/mute`, { until });
  expect((await mute(Date.now() + 3_600_000)).status).toBe(204);
  expect(await outcome(client, bob)).toBe("USER_MUTED");
  expect((await mute(0)).status).toBe(204);
  expect(await outcome(client, bob)).toBe("SENT");
  const muted = await carillon("users", "mute", alice.userId, "12h");
  expect(muted.document.user.mutedUntil).toBeGreaterThan(Date.now());
  expect(await outcome(client, bob)).toBe("USER_MUTED");
  expect((await carillon("users", "mute", alice.userId, "off")).document.user.mutedUntil).toBe(0);
  expect(await outcome(client, bob)).toBe("SENT");
  expect((await carillon("users", "mute", alice.userId, "soon")).code).toBe(2);
}, 120_000);

test("a kicked user has to log in again, on all devices or on one", async () => {
  const operator = await cluster.person("operator");
  await carillon("users", "make-operator", operator.userId);
  const phone = await cluster.person("alice");
  const laptop = await cluster.device(phone, "laptop");
  const [first, second] = [await cluster.online(phone, "ws"), await cluster.online(laptop, "ws")];
  const kicked = await carillon("users", "kick", phone.userId, "--device", "laptop");
  expect(kicked).toMatchObject({ code: 0, document: { unconfirmed: [] } });
  expect(await second.closed()).toBe(CloseCode.KICKED);
  expect((await first.request(Command.PING)).command).toBe(Command.PONG);
  const shown = await carillon("users", "show", phone.userId);
  expect(shown.document.devices.map(({ deviceId }: Person) => deviceId)).toEqual(["device-1"]);
  expect((await call(operator, "POST", `/v1/admin/users/${phone.userId}/kick`)).status).toBe(204);
  expect(await first.closed()).toBe(CloseCode.KICKED);
  await expect(cluster.online(phone, "tcp")).rejects.toThrow("TOKEN_REVOKED");
  const refresh = { body: { refreshToken: phone.refreshToken } };
  expect((await cluster.http("POST", "/v1/sessions/refresh", refresh)).body.name).toBe("NOT_AUTHENTICATED");
  (await cluster.online(await cluster.device(phone, "device-1"), "tcp")).close();
  expect((await call(phone, "POST", `/v1/admin/users/${phone.userId}/kick`)).status).toBe(401);
}, 120_000);

test("with the eleventh device, the device that was idle longest is logged out", async () => {
  const alice = await cluster.person("alice");
  const oldest = await cluster.online(alice, "ws");
  const others: Person[] = [];
  for (let i = 2; i <= 10; i++) others.push(await cluster.device(alice, `device-${i}`));
  expect((await oldest.request(Command.PING)).command).toBe(Command.PONG);
  // A connected device is not idle, however long ago it logged in.
  const eleventh = await cluster.device(alice, "device-11");
  const [second, ...rest] = others as [Person, ...Person[]];
  expect((await call(second, "GET", "/v1/sessions")).body.name).toBe("TOKEN_REVOKED");
  expect((await oldest.request(Command.PING)).command).toBe(Command.PONG);
  const devices = async () =>
    (await call(eleventh, "GET", "/v1/sessions")).body.items as (Person & { lastSeenAt: number })[];
  const here = await devices();
  expect(here.map(({ deviceId }) => deviceId).sort()).toEqual(
    [alice, ...rest, eleventh].map((one) => one.deviceId).sort(),
  );
  expect(here[0]!.lastSeenAt).toBeLessThanOrEqual(here.find(({ deviceId }) => deviceId === alice.deviceId)!.lastSeenAt);
  // All of them connected: the one that was seen first goes, and its connection is closed.
  const connected = await Promise.all([...rest, eleventh].map((one) => cluster.online(one, "ws")));
  await cluster.device(alice, "device-12");
  expect(await oldest.closed()).toBe(CloseCode.TOKEN_REVOKED);
  for (const client of connected) client.close();
});
