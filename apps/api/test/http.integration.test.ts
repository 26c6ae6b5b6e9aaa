import { connect } from "node:net";
import { createTokenSigner, silentLogger } from "@carillon/base/node";
import { type Bus, type Closing, connectBus, createLayout, DownlinkReceiver } from "@carillon/bus";
import { type Coordination, openCoordination } from "@carillon/coordination";
import { CloseCode, errorTable } from "@carillon/protocol";
import { MysqlStore, migrate, RedisStore } from "@carillon/store";
import { startServers, type TestServers } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";
import { Api } from "../src/api";
import type { ApiConfig } from "../src/config";

const SECRET = "a secret of these tests, long enough";
const PASSWORD = "correct horse battery";
let servers: TestServers<{ nats: true; redis: true; mysql: true }>;
let bus: Bus;
let redis: RedisStore;
let mysql: MysqlStore;
let api: Api;
let coordination: Coordination;
let base: string;
let gateways: { gatewayId: string; ws: string; tcp: string }[] = [];
let users = 0;

function config(): ApiConfig {
  const { nats } = servers;
  return {
    nodeId: "api-test",
    secret: SECRET,
    issuers: [],
    accessTokenSeconds: 900,
    refreshTokenMs: 60_000,
    nats: {
      servers: [nats.server],
      user: nats.user,
      password: nats.password,
      fsync: true,
      replicas: 1,
      streamMegabytes: 8,
    },
    redis: { url: servers.redis.url },
    mysql: { url: servers.mysql.url, poolSize: 4 },
    api: { host: "127.0.0.1", port: 0, trustProxy: true },
    groups: { maxMembers: 4, writeFanoutMax: 500, historyBeforeJoining: false },
    retention: { days: 0 },
    registration: "open",
    policy: { strangers: "allow", presence: "friends", devices: "all", maxDevices: 10 },
    relations: { maxFriends: 3, maxBlocks: 3 },
    limits: {
      framesPerSecond: 1,
      framesBurst: 1,
      messagesPerSecond: 1,
      messagesBurst: 1,
      pullsPerSecond: 1,
      pullsBurst: 1,
      syncsPerSecond: 1,
      syncsBurst: 1,
      registrationsPerMinute: 3,
      failedLoginsPerUser: 3,
      failedLoginsPerAddress: 5,
    },
    log: { level: "info" },
  };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, redis: true, mysql: true });
  const settings = config();
  bus = await connectBus({ settings: settings.nats, name: "api-test", logger: silentLogger() });
  const { partitions } = await createLayout(bus, settings.nats, 2);
  await migrate(settings.mysql, silentLogger());
  [redis, mysql] = await Promise.all([
    RedisStore.connect(settings.redis, silentLogger()),
    MysqlStore.connect(settings.mysql, silentLogger()),
  ]);
  const ring = {
    walk: (_: string, count: number) => gateways.slice(0, count).map(({ gatewayId }) => gatewayId),
    address: (id: string) => gateways.find(({ gatewayId }) => gatewayId === id),
  };
  coordination = await openCoordination({ connection: bus.connection, logger: silentLogger() });
  const lease = () => ({ acquire: async () => false });
  api = new Api({ config: settings, bus, boot: "b1", partitions, redis, mysql, ring, coordination, lease });
  api.setNodes([{ nodeId: "gateway-1", boot: "b1" }], []);
  base = await api.start();
}, 120_000);

afterAll(async () => {
  await api.stop();
  await coordination.close();
  await Promise.all([redis.close(), mysql.close()]);
  await bus.close();
  await servers.stop();
});

// biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about
type Answer = { status: number; body: any };
type Call = { body?: unknown; token?: string; from?: string; headers?: Record<string, string> };

async function http(method: string, where: string, { body, token, from, headers = {} }: Call = {}): Promise<Answer> {
  const answer = await fetch(base + where, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      // Each test has addresses of its own: the limits count by address.
      "x-forwarded-for": from ?? `10.0.${users >> 8}.${users & 255}`,
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function newUser(): Promise<string> {
  const userId = `user${++users}`;
  const body = { userId, displayName: "Jemand", password: PASSWORD };
  expect(await http("POST", "/v1/users", { body })).toEqual({ status: 201, body: { userId } });
  return userId;
}

async function logIn(userId: string, deviceId = "phone", password = PASSWORD, from?: string): Promise<Answer> {
  const body = { userId, password, deviceId, platform: "ios" };
  return http("POST", "/v1/sessions", { body, ...(from === undefined ? {} : { from }) });
}

/** The body of an error by its name in the table, whatever its text. */
function failure(name: string): Answer {
  const row = errorTable.find((one) => one.name === name)!;
  return {
    status: row.httpStatus,
    body: expect.objectContaining({ code: row.code, name, message: expect.any(String) }),
  };
}

const refresh = (refreshToken: string) => http("POST", "/v1/sessions/refresh", { body: { refreshToken } });
const me = (token: string) => http("GET", "/v1/users/me", { token });

describe("registration", () => {
  test("makes a user once, whatever the case of the id", async () => {
    const userId = await newUser();
    for (const taken of [userId, userId.toUpperCase()]) {
      const body = { userId: taken, displayName: "x", password: PASSWORD };
      expect(await http("POST", "/v1/users", { body })).toEqual(failure("CONFLICT"));
    }
  });

  test("is limited by address", async () => {
    const from = "10.1.0.1";
    const attempt = () =>
      http("POST", "/v1/users", { from, body: { userId: `limited${++users}`, displayName: "x", password: PASSWORD } });
    for (let i = 0; i < 3; i++) expect((await attempt()).status).toBe(201);
    const refused = await attempt();
    expect(refused).toEqual(failure("RATE_LIMITED"));
    expect(refused.body.retryAfterMs).toBeGreaterThan(0);
  });

  test("of many with one id at once makes one", async () => {
    const userId = `race${++users}`;
    const results = await Promise.all(
      [1, 2, 3, 4].map((i) =>
        http("POST", "/v1/users", { from: `10.2.0.${i}`, body: { userId, displayName: "x", password: PASSWORD } }),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });
});

describe("log-in", () => {
  test("gives tokens that work", async () => {
    const userId = await newUser();
    const { status, body } = await logIn(userId);
    expect(status).toBe(200);
    expect(body).toEqual({ userId, accessToken: expect.any(String), refreshToken: expect.any(String), expiresIn: 900 });
    expect(await me(body.accessToken)).toEqual({
      status: 200,
      body: { userId, displayName: "Jemand", createdAt: expect.any(Number) },
    });
    const other = await newUser();
    expect(await http("GET", `/v1/users/${other}`, { token: body.accessToken })).toEqual({
      status: 200,
      body: { userId: other, displayName: "Jemand" },
    });
    for (const unknown of ["nobody", "%20", "x".repeat(90), "x".repeat(500)]) {
      const answer = await http("GET", `/v1/users/${unknown}`, { token: body.accessToken });
      expect(answer.status).toBe(404);
    }
  });

  test("answers an unknown user and a wrong password alike", async () => {
    const userId = await newUser();
    const wrong = await logIn(userId, "phone", "wrong password");
    expect(wrong).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await logIn("nobody", "phone", "wrong password")).toEqual(wrong);
  });

  test("counts failures of a user, wherever they come from", async () => {
    const userId = await newUser();
    for (let i = 0; i < 5; i++) expect((await logIn(userId)).status).toBe(200);
    for (let i = 0; i < 3; i++) expect((await logIn(userId, "phone", "wrong!", `10.3.0.${i}`)).status).toBe(401);
    expect(await logIn(userId, "phone", PASSWORD, "10.3.0.9")).toEqual(failure("RATE_LIMITED"));
  });

  test("counts failures of an address, whoever they pretend to be", async () => {
    const userId = await newUser();
    for (let i = 0; i < 5; i++) expect((await logIn(`ghost${i}`, "phone", "wrong!", "10.4.0.1")).status).toBe(401);
    expect(await logIn(userId, "phone", PASSWORD, "10.4.0.1")).toEqual(failure("RATE_LIMITED"));
    expect((await logIn(userId, "phone", PASSWORD, "10.4.0.2")).status).toBe(200);
  });

  test("of a disabled user is told so, after the right password only", async () => {
    const userId = await newUser();
    const { body } = await logIn(userId);
    const connection = await createConnection(servers.mysql.url);
    await connection.query("UPDATE users SET status = 'disabled' WHERE id = ?", [userId]);
    await connection.end();
    expect(await logIn(userId)).toEqual(failure("USER_DISABLED"));
    expect(await logIn(userId, "phone", "wrong!")).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await me(body.accessToken)).toEqual(failure("USER_DISABLED"));
    expect(await refresh(body.refreshToken)).toEqual(failure("USER_DISABLED"));
  });
});

describe("tokens", () => {
  test("are exchanged; an old one shown again revokes the device", async () => {
    const userId = await newUser();
    const first = (await logIn(userId)).body;
    const other = (await logIn(userId, "laptop")).body;
    const second = (await refresh(first.refreshToken)).body;
    expect(second).toMatchObject({ userId, expiresIn: 900 });
    expect((await me(second.accessToken)).status).toBe(200);
    // The answer may have been lost: the same successor again.
    const again = (await refresh(first.refreshToken)).body;
    expect(again.refreshToken).toBe(second.refreshToken);
    expect((await me(again.accessToken)).status).toBe(200);
    const third = (await refresh(second.refreshToken)).body;
    expect(await refresh(first.refreshToken)).toEqual(failure("TOKEN_REVOKED"));
    expect(await refresh(third.refreshToken)).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await me(second.accessToken)).toEqual(failure("TOKEN_REVOKED"));
    expect((await me(other.accessToken)).status).toBe(200);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  test("that are missing, forged, expired or of nobody are refused", async () => {
    const userId = await newUser();
    const { body } = await logIn(userId);
    const claims = { userId, deviceId: "phone", platform: "ios", tokenVersion: 1 };
    const forged = createTokenSigner("another secret, which is long enough too", 900)(claims);
    expect(await http("GET", "/v1/users/me")).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await me("nonsense")).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await me(forged)).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await me(createTokenSigner(SECRET, -5)(claims))).toEqual(failure("TOKEN_EXPIRED"));
    expect(await me(createTokenSigner(SECRET, 900)({ ...claims, tokenVersion: 2 }))).toEqual(failure("TOKEN_REVOKED"));
    expect(await me(createTokenSigner(SECRET, 900)({ ...claims, deviceId: "x" }))).toEqual(
      failure("NOT_AUTHENTICATED"),
    );
    expect(await http("GET", "/v1/users/me", { headers: { authorization: `Basic ${body.accessToken}` } })).toEqual(
      failure("NOT_AUTHENTICATED"),
    );
    expect(await refresh("nonsense")).toEqual(failure("NOT_AUTHENTICATED"));
  });
});

describe("log-out", () => {
  test("revokes the device and tells the gateways to close its connections", async () => {
    const closings: Closing[] = [];
    const receiver = new DownlinkReceiver({
      bus,
      gateway: "gateway-1",
      onMessage: (message) => {
        if (message.kind === "closings") closings.push(...message.closings);
      },
      onBreak: () => {},
    });
    receiver.start();
    await bus.connection.flush();
    const userId = await newUser();
    const [phone, laptop] = [(await logIn(userId)).body, (await logIn(userId, "laptop")).body];
    const listed = await http("GET", "/v1/sessions", { token: phone.accessToken });
    expect(listed.body.items).toEqual([
      {
        deviceId: "laptop",
        platform: "ios",
        createdAt: expect.any(Number),
        lastSeenAt: expect.any(Number),
        current: false,
      },
      expect.objectContaining({ deviceId: "phone", current: true }),
    ]);
    expect(await http("DELETE", "/v1/sessions/current", { token: phone.accessToken })).toEqual({ status: 204 });
    await bus.connection.flush();
    expect(closings).toEqual([{ userId, deviceId: "phone", closeCode: CloseCode.TOKEN_REVOKED }]);
    expect(await me(phone.accessToken)).toEqual(failure("TOKEN_REVOKED"));
    expect(await refresh(phone.refreshToken)).toEqual(failure("NOT_AUTHENTICATED"));
    expect(await http("DELETE", "/v1/sessions/phone", { token: laptop.accessToken })).toEqual({ status: 204 });
    expect(await http("DELETE", "/v1/sessions/none", { token: laptop.accessToken })).toEqual(failure("NOT_FOUND"));
    expect((await logIn(userId)).status).toBe(200);
    expect(await http("DELETE", "/v1/sessions/phone", { token: laptop.accessToken })).toEqual({ status: 204 });
    receiver.stop();
  });
});

describe("the route", () => {
  test("names the ring's choice and the next node", async () => {
    const { body } = await logIn(await newUser());
    gateways = [1, 2, 3].map((i) => ({ gatewayId: `g${i}`, ws: `ws://host:${i}/ws`, tcp: `host:${i}` }));
    expect(await http("GET", "/v1/route", { token: body.accessToken })).toEqual({
      status: 200,
      body: { gateways: gateways.slice(0, 2) },
    });
    gateways = [];
    expect(await http("GET", "/v1/route", { token: body.accessToken })).toEqual(failure("BUSY"));
    expect(await http("GET", "/v1/route")).toEqual(failure("NOT_AUTHENTICATED"));
  });
});

describe("bad input gets an error of the table", () => {
  const right = { userId: "someone", displayName: "x", password: PASSWORD };

  test.each<[string, unknown, string]>([
    ["not JSON", "{", "BAD_PAYLOAD"],
    ["nothing", "", "BAD_PAYLOAD"],
    ["a list", [], "BAD_PAYLOAD"],
    ["null", "null", "BAD_PAYLOAD"],
    ["a number for a text", { ...right, password: 12345678 }, "BAD_PAYLOAD"],
    ["a missing key", { userId: "someone", displayName: "x" }, "BAD_PAYLOAD"],
    ["a key too many", { ...right, admin: true }, "BAD_PAYLOAD"],
    ["a poisoned key", '{"__proto__": {"x": 1}, "userId": "someone"}', "BAD_PAYLOAD"],
    ["an id with a dot", { ...right, userId: "some.one" }, "BAD_PAYLOAD"],
    ["an id that is too long", { ...right, userId: "x".repeat(33) }, "BAD_PAYLOAD"],
    ["a reserved id", { ...right, userId: "me" }, "BAD_PAYLOAD"],
    ["a short password", { ...right, password: "1234567" }, "BAD_PAYLOAD"],
    ["a name that is too long", { ...right, displayName: "x".repeat(65) }, "BAD_PAYLOAD"],
    ["a body that is too large", { ...right, displayName: "x".repeat(100_000) }, "FRAME_TOO_LARGE"],
  ])("%s", async (_, body, name) => {
    expect(await http("POST", "/v1/users", { body })).toEqual(failure(name));
  });

  test("which names the key", async () => {
    const { body } = await http("POST", "/v1/users", { body: { ...right, password: 5 } });
    expect(body.message).toMatch(/^password: /);
    expect((await http("POST", "/v1/users", { body: {} })).body.message).toBe("userId: is missing");
    expect((await http("POST", "/v1/users", { body: { ...right, extra: 1 } })).body.message).toBe("extra: unknown key");
  });

  test("a name of 64 characters beyond the basic plane fits", async () => {
    const userId = `emoji${++users}`;
    const body = { userId, displayName: "👋".repeat(64), password: PASSWORD };
    expect((await http("POST", "/v1/users", { body })).status).toBe(201);
  });

  test("wrong addresses, methods, types and queries", async () => {
    const { body } = await logIn(await newUser());
    const token = body.accessToken;
    expect(await http("GET", "/v1/nothing")).toEqual(failure("NOT_FOUND"));
    expect(await http("PUT", "/v1/users", { body: {} })).toEqual(failure("NOT_FOUND"));
    expect(await http("GET", "/%zz")).toEqual(failure("NOT_FOUND"));
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect(await http("POST", "/v1/users", { body: "a=b", headers: form })).toEqual(failure("BAD_PAYLOAD"));
    for (const query of ["limit=0", "limit=201", "limit=x", "limit=1.5", "before=0", "before=-1", "what=1"]) {
      const where = `/v1/conversations/p:a:b/messages?${query}`;
      expect([query, await http("GET", where, { token })]).toEqual([query, failure("BAD_PAYLOAD")]);
    }
    expect(await http("GET", "/v1/conversations?cursor=x", { token })).toEqual(failure("BAD_PAYLOAD"));
    expect(await http("GET", "/v1/conversations/p:a:b/messages", { token })).toEqual(failure("NO_SUCH_CONVERSATION"));
  });

  test("what is no HTTP at all, and headers without end", async () => {
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        const { hostname, port } = new URL(base);
        const socket = connect(Number(port), hostname, () => socket.write(text));
        let answer = "";
        socket.on("data", (chunk) => {
          answer += chunk.toString();
        });
        socket.on("error", () => {});
        socket.on("close", () => resolve(answer));
      });
    expect(await say("this is not http\r\n\r\n")).toContain('"name":"BAD_FRAME"');
    expect(await say(`GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}\r\n\r\n`)).toContain('"name":"FRAME_TOO_LARGE"');
  });
});

describe("for operators", () => {
  test("health, readiness and metrics", async () => {
    expect(await http("GET", "/healthz")).toEqual({ status: 200, body: { status: "ok" } });
    const checks = { nats: true, redis: true, mysql: true };
    expect(await http("GET", "/readyz")).toEqual({ status: 200, body: { status: "ready", checks } });
    const metrics = await (await fetch(`${base}/metrics`)).text();
    const line = metrics
      .split("\n")
      .find((one) => one.startsWith("carillon_http_request_seconds_count") && one.includes("/healthz"));
    expect(line).toMatch(/status="200"\} 1$/);
  });

  test("the documentation knows every route and how it fails", async () => {
    const { body } = await http("GET", "/docs/json");
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining(["/v1/users", "/v1/sessions", "/v1/sessions/refresh", "/v1/route", "/v1/conversations"]),
    );
    expect(body.paths["/v1/users"].post.responses).toHaveProperty("201");
    expect(body.paths["/v1/users"].post.responses["409"].description).toBe("CONFLICT");
    const page = await fetch(`${base}/docs/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("swagger");
  });

  test("another origin may call", async () => {
    const answer = await fetch(`${base}/v1/sessions`, {
      method: "OPTIONS",
      headers: { origin: "http://elsewhere.example", "access-control-request-method": "POST" },
    });
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://elsewhere.example");
  });
});

test("while MySQL is away, what needs it is BUSY, the route is not; afterwards all is well", async () => {
  const userId = await newUser();
  const { body } = await logIn(userId);
  gateways = [{ gatewayId: "g1", ws: "ws://host:1/ws", tcp: "host:1" }];
  await servers.mysql.kill();
  const busy = await me(body.accessToken);
  expect(busy).toEqual(failure("BUSY"));
  expect(busy.body.retryAfterMs).toBeGreaterThan(0);
  expect(await logIn(userId)).toEqual(failure("BUSY"));
  expect((await http("GET", "/v1/route", { token: body.accessToken })).status).toBe(200);
  expect(await http("GET", "/readyz")).toMatchObject({ status: 503, body: { checks: { mysql: false, nats: true } } });
  await servers.mysql.start();
  expect((await me(body.accessToken)).status).toBe(200);
  expect((await logIn(userId)).status).toBe(200);
}, 60_000);

describe("ids of odd forms", () => {
  const routes: [method: string, where: string, body?: object][] = [
    ["GET", "/v1/users/ID"],
    ["DELETE", "/v1/sessions/ID"],
    ["GET", "/v1/conversations/ID"],
    ["PATCH", "/v1/conversations/ID", { pinned: true }],
    ["GET", "/v1/conversations/ID/messages"],
    ["GET", "/v1/conversations/ID/messages/1/readers"],
    ["GET", "/v1/groups/ID"],
    ["PATCH", "/v1/groups/ID", { name: "x" }],
    ["DELETE", "/v1/groups/ID"],
    ["POST", "/v1/groups/ID/transfer", { userId: "bob" }],
    ["GET", "/v1/groups/ID/members"],
    ["POST", "/v1/groups/ID/members", { userId: "bob" }],
    ["PATCH", "/v1/groups/ID/members/ID", { role: "admin" }],
    ["DELETE", "/v1/groups/ID/members/ID"],
    ["GET", "/v1/groups/ID/requests"],
    ["POST", "/v1/groups/ID/requests/ID/accept"],
    ["PATCH", "/v1/friends/ID", { remark: "x" }],
    ["DELETE", "/v1/friends/ID"],
    ["POST", "/v1/friend-requests/ID/accept"],
    ["PUT", "/v1/blocks/ID"],
    ["GET", "/v1/admin/users/ID"],
    ["POST", "/v1/admin/users/ID/disable"],
    ["POST", "/v1/admin/users/ID/kick", { deviceId: "phone" }],
    ["DELETE", "/v1/admin/keys/ID"],
    ["GET", "/v1/admin/broadcasts/ID"],
    ["GET", "/v1/admin/trace?message=ID"],
    ["GET", "/v1/admin/audit?conversationId=ID"],
  ];

  test.each(["ä", "👋", "%00", " ", "me", "a'b", "g:ä", "p:a:ä", "x".repeat(99)])(
    "%s is none, and no fault of ours",
    async (id) => {
      const userId = await newUser();
      const { accessToken: token } = (await logIn(userId)).body;
      await mysql.users.setRole(userId, "operator");
      const odd = id === "%00" ? id : encodeURIComponent(id);
      const wrong: string[] = [];
      for (const [method, where, body] of routes) {
        const { status } = await http(method, where.replaceAll("ID", odd), { token, ...(body && { body }) });
        if (status === 500) wrong.push(`${method} ${where}`);
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );
});
