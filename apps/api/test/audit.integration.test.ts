/** The audit log: who is in it, and who is not; its list; and what happens when MySQL does not take an entry. */
import { createConnection } from "mysql2/promise";
import { failure, TestApi } from "./fixtures/test-api";

let at: TestApi;
let operator: string;
let operatorToken: string;

beforeAll(async () => {
  at = await TestApi.start();
  operator = await at.newUser();
  await at.mysql.users.setRole(operator, "operator");
  operatorToken = (await at.logIn(operator)).body.accessToken;
}, 120_000);

afterAll(() => at.stop());

const call = (method: string, where: string, body?: unknown, token = operatorToken) =>
  at.http(method, where, { token, from: "192.0.2.77", ...(body === undefined ? {} : { body }) });

async function entries(query: Record<string, string>) {
  const search = new URLSearchParams(query);
  const { status, body } = await call("GET", `/v1/admin/audit-log?${search}`);
  expect(status).toBe(200);
  return body as { items: Record<string, unknown>[]; cursor?: string };
}

async function newKey(...scopes: string[]): Promise<{ id: string; key: string }> {
  return (await call("POST", "/v1/admin/keys", { name: "shop", scopes })).body;
}

test("an operator's act: who, from where, what, whom, when, the result, and the values", async () => {
  const userId = await at.newUser();
  const before = Date.now();
  const until = before + 3_600_000;
  await call("POST", `/v1/admin/users/${userId}/mute`, { until });
  await call("PATCH", `/v1/admin/users/${userId}`, { displayName: "Anna" });
  const { items } = await entries({ whom: `user:${userId}` });
  const common = { who: `user:${operator}`, from: "192.0.2.77", whom: `user:${userId}`, result: "ok" };
  expect(items).toEqual([
    {
      ...common,
      id: expect.any(Number),
      at: expect.any(Number),
      act: "admin.user.rename",
      details: { displayName: "Anna" },
    },
    { ...common, id: expect.any(Number), at: expect.any(Number), act: "admin.user.mute", details: { until } },
  ]);
  expect(items[1]!["at"]).toBeGreaterThanOrEqual(before);
});

test("an act that failed is there with its error; one that made no sense, or of a stranger, is not", async () => {
  const missing = at.newId("nobody");
  expect(await call("POST", `/v1/admin/users/${missing}/disable`)).toEqual(failure("NO_SUCH_USER"));
  expect(await call("POST", `/v1/admin/users/${missing}/mute`, { until: 5 })).toEqual(failure("BAD_PAYLOAD"));
  expect(await call("POST", `/v1/admin/users/${missing}/enable`, undefined, "nonsense")).toEqual(
    failure("NOT_AUTHENTICATED"),
  );
  const user = (await at.logIn(await at.newUser())).body.accessToken;
  expect(await call("POST", `/v1/admin/users/${missing}/kick`, {}, user)).toEqual(failure("FORBIDDEN"));
  const { items } = await entries({ whom: `user:${missing}` });
  expect(items.map(({ act, result }) => [act, result])).toEqual([["admin.user.disable", "NO_SUCH_USER"]]);
});

test("no entry has a password, a token or a key", async () => {
  const userId = at.newId("made");
  await call("POST", "/v1/admin/users", { userId, displayName: "Made", password: "correct horse battery" });
  const { body: tokens } = await call("POST", "/v1/admin/tokens", { userId, deviceId: "phone", platform: "ios" });
  const { id, key } = await newKey("users");
  const all = [...(await entries({ whom: `user:${userId}` })).items, ...(await entries({ whom: `key:${id}` })).items];
  expect(all.map(({ act }) => act)).toEqual(["admin.user.log-in", "admin.user.create", "admin.key.create"]);
  expect(all[0]).toMatchObject({ details: { deviceId: "phone", platform: "ios" } });
  expect(all[2]).toMatchObject({ details: { name: "shop", scopes: ["users"] } });
  for (const secret of ["correct horse battery", tokens.accessToken, tokens.refreshToken, key]) {
    expect(JSON.stringify(all)).not.toContain(secret);
  }
});

test("a key acts under its own name, and reads the log only with the scope for it", async () => {
  const { id, key } = await newKey("users", "audit-log");
  const userId = await at.newUser();
  expect((await call("POST", `/v1/admin/users/${userId}/disable`, undefined, key)).status).toBe(202);
  const { status, body } = await call("GET", `/v1/admin/audit-log?who=key:${id}`, undefined, key);
  expect(status).toBe(200);
  expect(body.items).toMatchObject([{ who: `key:${id}`, act: "admin.user.disable", whom: `user:${userId}` }]);
  const other = await newKey("users", "operations");
  expect(await call("GET", "/v1/admin/audit-log", undefined, other.key)).toEqual(failure("FORBIDDEN"));
});

test("the list is the newest first, in pages, by act and by time", async () => {
  const userId = await at.newUser();
  for (let i = 0; i < 5; i++) await call("POST", `/v1/admin/users/${userId}/${i % 2 === 0 ? "unlock" : "enable"}`);
  const whole = (await entries({ whom: `user:${userId}` })).items;
  expect(whole).toHaveLength(5);
  const first = await entries({ whom: `user:${userId}`, limit: "3" });
  const rest = await entries({ whom: `user:${userId}`, limit: "3", cursor: first.cursor! });
  expect([...first.items, ...rest.items]).toEqual(whole);
  expect(rest).not.toHaveProperty("cursor");
  const ids = whole.map(({ id }) => id as number);
  expect(ids).toEqual([...ids].sort((a, b) => b - a));
  expect((await entries({ whom: `user:${userId}`, act: "admin.user.enable" })).items).toHaveLength(2);
  const middle = whole[2]!["at"] as number;
  const later = whole.filter((entry) => (entry["at"] as number) >= middle);
  expect((await entries({ whom: `user:${userId}`, since: String(middle) })).items).toEqual(later);
  const earlier = whole.filter((entry) => (entry["at"] as number) < middle);
  expect((await entries({ whom: `user:${userId}`, until: String(middle) })).items).toEqual(earlier);
  expect(await call("GET", "/v1/admin/audit-log?cursor=nonsense")).toEqual(failure("BAD_PAYLOAD"));
});

test("an act is not answered with success when its entry cannot be written", async () => {
  const userId = await at.newUser();
  const connection = await createConnection(at.servers.mysql.url);
  await connection.query("RENAME TABLE audit_log TO away");
  try {
    expect((await call("POST", `/v1/admin/users/${userId}/enable`)).status).toBe(500);
    // The error of an act is not hidden by the second failure.
    expect(await call("POST", "/v1/admin/users/nobody/enable")).toEqual(failure("NO_SUCH_USER"));
    expect((await call("GET", `/v1/admin/users/${userId}`)).status).toBe(200);
  } finally {
    await connection.query("RENAME TABLE away TO audit_log");
    await connection.end();
  }
  expect((await call("POST", `/v1/admin/users/${userId}/enable`)).status).toBeLessThan(300);
});
