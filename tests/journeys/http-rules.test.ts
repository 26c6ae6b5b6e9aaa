/** The rules of all routes: the allowed callers, repeated requests, and that the page is true. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { uuidv7 } from "@carillon/base";
import { apiKeyScopes } from "@carillon/base/node";
import { Command, privateConversationId } from "@carillon/protocol";
import { type HttpAnswer, PASSWORD, type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(180_000);

let cluster: TestCluster;
let operator: Person;
beforeAll(async () => {
  const env = { CARILLON_LIMITS_REGISTRATIONS_PER_MINUTE: "1000" };
  cluster = await startTestCluster({ env });
  operator = await cluster.person("operator");
  expect((await runCarillon(cluster, "users", "make-operator", operator.userId)).code).toBe(0);
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const call = (token: string | undefined, method: string, where: string, body?: object) =>
  cluster.http(method, where, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });

async function newKey(scopes: string[]): Promise<string> {
  return (await call(operator.token, "POST", "/v1/admin/keys", { name: "a test", scopes })).body.key;
}

test("the walk of docs/api.md works as it stands", async () => {
  const page = readFileSync(path.join(__dirname, "..", "..", "docs", "api.md"), "utf8");
  const [, script] = /```bash\n([\s\S]*?)```/.exec(page)!;
  const commands = script!.split("\n").filter((line) => /^(me|bob) /.test(line)).length;
  expect(commands).toBeGreaterThan(15);
  const env = { ...process.env, API: cluster.info().api };
  const said = await new Promise<string>((resolve, reject) => {
    // Each answer on a line of its own; the first failure ends it.
    const strict = script!.replace("curl --silent", "curl --silent --write-out '\\n'");
    execFile("bash", ["-eo", "pipefail", "-c", strict], { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
  });
  expect(said).toContain('"remark":"Bobby"');
  expect(said).toContain('"displayName":"Alice"');
  expect(said).toContain('"pinned":true');
});

interface Documented {
  method: string;
  where: string;
  access: string;
}

async function documentedRoutes(): Promise<Documented[]> {
  const { paths } = (await cluster.http("GET", "/docs/json")).body;
  return Object.entries(paths as Record<string, Record<string, { description: string }>>)
    .filter(([where]) => where.startsWith("/v1/"))
    .flatMap(([where, methods]) =>
      Object.entries(methods).map(([method, { description }]) => ({
        method: method.toUpperCase(),
        where: where.replace(/\{seq\}/, "1").replace(/\{\w+\}/g, "x"),
        access: /Access: (.*)\.$/m.exec(description)![1]!,
      })),
    );
}

test("every route admits the callers that it names, and no others", async () => {
  const routes = await documentedRoutes();
  const person = await cluster.person("alice");
  const scopes: string[] = [...apiKeyScopes];
  const key = await newKey(scopes);
  const keysWithout = new Map<string, string>();
  for (const scope of scopes) keysWithout.set(scope, await newKey(scopes.filter((one) => one !== scope)));
  const kinds = new Set<string>();
  const outcome = async ({ method, where }: Documented, token?: string) => {
    const { status, body } = await call(token, method, where);
    return `${status} ${body?.name ?? ""}`.trim();
  };
  for (const route of routes) {
    const { method, where, access } = route;
    const [scope] = /(?<=scope `)[\w-]+/.exec(access) ?? [];
    const kind = scope === undefined ? access : access.replace(scope, "...");
    kinds.add(kind);
    const name = `${method} ${where}`;
    const given = { name, stranger: await outcome(route), nonsense: await outcome(route, "nonsense") };
    if (kind === "anybody") {
      expect(given).toEqual({ name, stranger: "400 BAD_PAYLOAD", nonsense: "400 BAD_PAYLOAD" });
      continue;
    }
    expect(given).toEqual({ name, stranger: "401 NOT_AUTHENTICATED", nonsense: "401 NOT_AUTHENTICATED" });
    if (kind === "an access token") {
      expect([name, await outcome(route, key)]).toEqual([name, "403 FORBIDDEN"]);
      continue;
    }
    const byPerson = kind.startsWith("API keys") ? "401 NOT_AUTHENTICATED" : "403 FORBIDDEN";
    expect([name, await outcome(route, person.token)]).toEqual([name, byPerson]);
    const lacking = scope === undefined ? key : keysWithout.get(scope)!;
    expect([name, await outcome(route, lacking)]).toEqual([name, "403 FORBIDDEN"]);
  }
  expect([...kinds].sort()).toEqual(
    [
      "API keys with the scope `...`",
      "an access token",
      "anybody",
      "operators",
      "operators, and API keys with the scope `...`",
    ].sort(),
  );
});

describe("another person's token", () => {
  test("reaches no conversation, group or device of another user", async () => {
    const [alice, bob, mallory] = [
      await cluster.person("alice"),
      await cluster.person("bob"),
      await cluster.person("m"),
    ];
    const body = { name: "choir", joinPolicy: "invite", members: [bob.userId] };
    const { groupId } = (await call(alice.token, "POST", "/v1/groups", body)).body;
    const tries: [string, string, object | undefined, string][] = [
      ["GET", `/v1/groups/${groupId}`, undefined, "NOT_FOUND"],
      ["PATCH", `/v1/groups/${groupId}`, { name: "mine" }, "NOT_A_MEMBER"],
      ["DELETE", `/v1/groups/${groupId}`, undefined, "NOT_A_MEMBER"],
      ["GET", `/v1/groups/${groupId}/members`, undefined, "NOT_A_MEMBER"],
      ["PATCH", `/v1/groups/${groupId}/members/${bob.userId}`, { role: "admin" }, "NOT_A_MEMBER"],
      ["DELETE", `/v1/groups/${groupId}/members/${bob.userId}`, undefined, "NOT_A_MEMBER"],
      ["POST", `/v1/groups/${groupId}/transfer`, { userId: mallory.userId }, "NOT_A_MEMBER"],
      ["GET", `/v1/groups/${groupId}/requests`, undefined, "NOT_A_MEMBER"],
      ["GET", `/v1/conversations/g:${groupId}`, undefined, "NO_SUCH_CONVERSATION"],
      ["PATCH", `/v1/conversations/g:${groupId}`, { clear: true }, "NO_SUCH_CONVERSATION"],
      ["GET", `/v1/conversations/g:${groupId}/messages`, undefined, "NO_SUCH_CONVERSATION"],
      ["GET", `/v1/conversations/g:${groupId}/messages/1/readers`, undefined, "NO_SUCH_CONVERSATION"],
      ["DELETE", "/v1/sessions/no-such-device", undefined, "NOT_FOUND"],
    ];
    for (const [method, where, sent, name] of tries) {
      const answer = await call(mallory.token, method, where, sent);
      expect([method, where, answer.body?.name]).toEqual([method, where, name]);
    }
  });
});

test("every write that may be repeated gives the same answer the second time", async () => {
  const people = await Promise.all(["alice", "bob", "carl", "dora"].map((name) => cluster.person(name)));
  const [alice, bob, carl, dora] = people as [Person, Person, Person, Person];
  await cluster.device(alice, "tablet");
  const key = await newKey(["users", "messages", "groups", "moderation", "broadcast"]);
  const groupId = `g-${alice.userId}`.slice(0, 32);
  const group = `/v1/groups/${groupId}`;
  const [made, ofGroup] = [`m-${carl.userId}`.slice(0, 32), `/v1/admin/groups/m-${carl.userId}`.slice(0, 49)];
  const wanted = { ownerId: carl.userId, groupId: made, name: "x", joinPolicy: "open", members: [bob.userId] };
  const ofMessage = `/v1/admin/conversations/${privateConversationId(alice.userId, bob.userId)}/messages/1`;
  const ofBob = `/v1/admin/users/${bob.userId}`;
  const message = {
    senderId: alice.userId,
    to: `u:${bob.userId}`,
    clientMsgId: uuidv7(Date.now()),
    contentType: "text",
    content: "hello",
  };
  const broadcast = {
    broadcastId: groupId,
    senderId: alice.userId,
    contentType: "text",
    content: "x",
    userIds: [bob.userId],
  };
  const { id } = (await call(operator.token, "POST", "/v1/admin/keys", { name: "x", scopes: ["users"] })).body;
  const [byAlice, byBob, byCarl, byDora] = people.map(({ token }) => token) as [string, string, string, string];
  const writes: [token: string, method: string, where: string, body?: object][] = [
    [byAlice, "PATCH", "/v1/users/me", { displayName: "Alice" }],
    [byAlice, "PUT", "/v1/users/me/password", { oldPassword: PASSWORD, newPassword: `${PASSWORD}!` }],
    [byAlice, "DELETE", "/v1/sessions/tablet"],
    [byAlice, "POST", "/v1/friend-requests", { userId: bob.userId }],
    [byBob, "POST", `/v1/friend-requests/${alice.userId}/accept`],
    [byAlice, "PATCH", `/v1/friends/${bob.userId}`, { remark: "Bobby" }],
    [byAlice, "DELETE", `/v1/friends/${bob.userId}`],
    [byAlice, "POST", "/v1/friend-requests", { userId: carl.userId }],
    [byCarl, "POST", `/v1/friend-requests/${alice.userId}/reject`],
    [byAlice, "PUT", `/v1/blocks/${dora.userId}`],
    [byAlice, "DELETE", `/v1/blocks/${dora.userId}`],
    [byAlice, "POST", "/v1/groups", { groupId, name: "choir", joinPolicy: "approval", members: [bob.userId] }],
    [byAlice, "PATCH", group, { notice: "tonight", muted: true }],
    [byAlice, "PATCH", `${group}/members/${bob.userId}`, { role: "admin" }],
    [byCarl, "POST", `${group}/members`, { userId: carl.userId }],
    [byBob, "POST", `${group}/requests/${carl.userId}/accept`],
    [byDora, "POST", `${group}/members`, { userId: dora.userId }],
    [byBob, "POST", `${group}/requests/${dora.userId}/reject`],
    [byDora, "DELETE", `/v1/group-requests/${groupId}`],
    [byAlice, "POST", `${group}/members`, { userId: dora.userId }],
    [byAlice, "DELETE", `${group}/members/${dora.userId}`],
    [byAlice, "DELETE", `${group}/bans/${dora.userId}`],
    [byDora, "PATCH", "/v1/users/me", { whoMayAdd: "consent" }],
    [byAlice, "POST", `${group}/members`, { userId: dora.userId }],
    [byDora, "POST", `/v1/group-invitations/${groupId}/accept`],
    [byAlice, "DELETE", `${group}/members/${dora.userId}`],
    [byAlice, "POST", `${group}/members`, { userId: dora.userId }],
    [byDora, "POST", `/v1/group-invitations/${groupId}/reject`],
    [byCarl, "DELETE", `${group}/members/me`],
    [byAlice, "PATCH", `/v1/conversations/g:${groupId}`, { pinned: true, clear: true }],
    [byAlice, "POST", `${group}/transfer`, { userId: bob.userId }],
    [byBob, "DELETE", group],
    [key, "POST", "/v1/messages", message],
    [key, "POST", `${ofMessage}/recall`],
    [key, "POST", "/v1/admin/broadcast", broadcast],
    [key, "POST", "/v1/admin/groups", wanted],
    [key, "PATCH", ofGroup, { notice: "tonight", muted: true }],
    [key, "PATCH", `${ofGroup}/members/${bob.userId}`, { role: "admin" }],
    [key, "POST", `${ofGroup}/transfer`, { userId: bob.userId }],
    [key, "DELETE", ofGroup],
    [key, "PATCH", ofBob, { displayName: "Bob" }],
    [key, "POST", `${ofBob}/mute`, { until: Date.now() + 3_600_000 }],
    [key, "POST", `${ofBob}/kick`, {}],
    [key, "POST", `${ofBob}/disable`],
    [key, "POST", `${ofBob}/enable`],
    [key, "POST", `${ofBob}/unlock`],
    [key, "DELETE", ofBob],
    [operator.token, "DELETE", `/v1/admin/keys/${id}`],
  ];
  for (const [token, method, where, body] of writes) {
    const name = `${method} ${where}`;
    const once = await call(token, method, where, body);
    expect([name, once.status < 300, once]).toEqual([name, true, once]);
    const twice = await call(token, method, where, body);
    // A group that was made before is there, and not made.
    const expected = where.endsWith("/groups") ? { ...once, status: 200 } : once;
    expect([name, withoutMark(twice)]).toEqual([name, expected]);
  }
  await accountedFor(writes.map(([, method, where]) => ({ method, where })));
});

/** Removes the marks of a recognised repeat, which are the only allowed difference. */
function withoutMark({ status, body }: HttpAnswer): HttpAnswer {
  if (body?.duplicate !== true) return { status, body };
  const { duplicate: _, ...rest } = body;
  return { status, body: rest };
}

/** Each write of the documentation is in the table, or among those that docs/api.md says are otherwise. */
async function accountedFor(tried: { method: string; where: string }[]): Promise<void> {
  const otherwise = [
    ["POST", "/v1/users"],
    ["DELETE", "/v1/users/me"],
    ["POST", "/v1/sessions"],
    ["POST", "/v1/sessions/refresh"],
    ["POST", "/v1/oidc/sessions"],
    ["POST", "/v1/udp-tickets"],
    ["POST", "/v1/admin/users"],
    ["POST", "/v1/admin/tokens"],
    ["POST", "/v1/admin/keys"],
    ["POST", "/v1/admin/groups/x/members"],
    ["POST", "/v1/admin/groups/x/members/remove"],
  ].map(([method, where]) => ({ method, where }));
  const { paths } = (await cluster.http("GET", "/docs/json")).body;
  const missing = Object.entries(paths as Record<string, object>)
    .filter(([where]) => where.startsWith("/v1/"))
    .flatMap(([where, methods]) => Object.keys(methods).map((method) => ({ method: method.toUpperCase(), where })))
    .filter(({ method }) => method !== "GET")
    .filter(({ method, where }) => {
      const form = new RegExp(`^${where.replace(/\{\w+\}/g, "[^/]+")}$`);
      return ![...tried, ...otherwise].some((one) => one.method === method && form.test(one.where!));
    });
  expect(missing).toEqual([]);
}

test("lists go on behind their cursors, and refuse those of others", async () => {
  const [alice, ...others] = (await Promise.all([0, 1, 2, 3, 4].map((i) => cluster.person(`p${i}`)))) as Person[];
  const { token } = alice!;
  const body = { name: "choir", joinPolicy: "approval" };
  const { groupId } = (await call(token, "POST", "/v1/groups", body)).body;
  for (const other of others) {
    await call(token, "PUT", `/v1/blocks/${other.userId}`);
    await call(other.token, "POST", `/v1/groups/${groupId}/members`, { userId: other.userId });
  }
  const lists = ["/v1/blocks", `/v1/groups/${groupId}/requests`];
  for (const list of lists) {
    const found: string[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const behind = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: HttpAnswer = await call(token, "GET", `${list}?limit=3${behind}`);
      expect([list, page.status]).toEqual([list, 200]);
      expect(page.body.items.length).toBeLessThanOrEqual(3);
      found.push(...page.body.items.map(({ userId }: Person) => userId));
      cursor = page.body.cursor;
    }
    expect([list, found]).toEqual([list, others.map(({ userId }) => userId).sort()]);
  }
  const { cursor } = (await call(token, "GET", "/v1/blocks?limit=1")).body;
  for (const list of ["/v1/friends", "/v1/groups", "/v1/conversations", `/v1/groups/${groupId}/requests`]) {
    expect([list, (await call(token, "GET", `${list}?cursor=${cursor}`)).body.name]).toEqual([list, "BAD_PAYLOAD"]);
  }
  for (const limit of [0, 201, "many"]) {
    expect((await call(token, "GET", `/v1/blocks?limit=${limit}`)).body.name).toBe("BAD_PAYLOAD");
  }
});

test("routes that must not be repeated say so", async () => {
  const alice = await cluster.person("alice");
  const again = { userId: alice.userId, displayName: "alice", password: PASSWORD };
  expect((await call(undefined, "POST", "/v1/users", again)).body.name).toBe("CONFLICT");
  const refreshToken = { refreshToken: alice.refreshToken };
  const next = await call(undefined, "POST", "/v1/sessions/refresh", refreshToken);
  expect(next.status).toBe(200);
  const successor = { refreshToken: next.body.refreshToken };
  expect((await call(undefined, "POST", "/v1/sessions/refresh", successor)).status).toBe(200);
  expect((await call(undefined, "POST", "/v1/sessions/refresh", refreshToken)).body.name).toBe("TOKEN_REVOKED");
  const bob = await cluster.person("bob");
  const client = await cluster.online(bob, "tcp");
  expect((await call(bob.token, "DELETE", "/v1/sessions/current")).status).toBe(204);
  await until("the connection is closed", () => client.frames.some(({ command }) => command === Command.KICKED));
  expect((await call(bob.token, "DELETE", "/v1/sessions/current")).body.name).toBe("TOKEN_REVOKED");
});
