import { connect } from "node:net";
import { failure, PASSWORD, TestApi } from "./fixtures/test-api";

let at: TestApi;

beforeAll(async () => {
  at = await TestApi.start();
}, 120_000);

afterAll(() => at.stop());

const http: TestApi["http"] = (...call) => at.http(...call);
const newUser: TestApi["newUser"] = () => at.newUser();
const logIn: TestApi["logIn"] = (...call) => at.logIn(...call);
const me: TestApi["me"] = (token) => at.me(token);

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
      http("POST", "/v1/users", { from, body: { userId: at.newId("limited"), displayName: "x", password: PASSWORD } });
    for (let i = 0; i < 3; i++) expect((await attempt()).status).toBe(201);
    const refused = await attempt();
    expect(refused).toEqual(failure("RATE_LIMITED"));
    expect(refused.body.retryAfterMs).toBeGreaterThan(0);
  });

  test("of many with one id at once makes one", async () => {
    const userId = at.newId("race");
    const results = await Promise.all(
      [1, 2, 3, 4].map((i) =>
        http("POST", "/v1/users", { from: `10.2.0.${i}`, body: { userId, displayName: "x", password: PASSWORD } }),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });
});

describe("the route", () => {
  test("names the ring's choice and the next node", async () => {
    const { body } = await logIn(await newUser());
    at.gateways = [1, 2, 3].map((i) => ({ gatewayId: `g${i}`, ws: `ws://host:${i}/ws`, tcp: `host:${i}` }));
    expect(await http("GET", "/v1/route", { token: body.accessToken })).toEqual({
      status: 200,
      body: { gateways: at.gateways.slice(0, 2) },
    });
    at.gateways = [];
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
    ["an id with a slash", { ...right, userId: "some/one" }, "BAD_PAYLOAD"],
    ["an id that is too long", { ...right, userId: "x".repeat(65) }, "BAD_PAYLOAD"],
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
    const userId = at.newId("emoji");
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
        const { hostname, port } = new URL(at.address);
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
    const metrics = await (await fetch(`${at.address}/metrics`)).text();
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
    const page = await fetch(`${at.address}/docs/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("swagger");
  });

  test("another origin may call", async () => {
    const answer = await fetch(`${at.address}/v1/sessions`, {
      method: "OPTIONS",
      headers: { origin: "http://elsewhere.example", "access-control-request-method": "POST" },
    });
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://elsewhere.example");
  });
});

test("while MySQL is away, what needs it is BUSY, the route is not; afterwards all is well", async () => {
  const userId = await newUser();
  const { body } = await logIn(userId);
  at.gateways = [{ gatewayId: "g1", ws: "ws://host:1/ws", tcp: "host:1" }];
  await at.servers.mysql.kill();
  const busy = await me(body.accessToken);
  expect(busy).toEqual(failure("BUSY"));
  expect(busy.body.retryAfterMs).toBeGreaterThan(0);
  expect(await logIn(userId)).toEqual(failure("BUSY"));
  expect((await http("GET", "/v1/route", { token: body.accessToken })).status).toBe(200);
  // What needs no store is served: a proxy leaves the api in.
  expect(await http("GET", "/readyz")).toMatchObject({ status: 200, body: { checks: { mysql: false, nats: true } } });
  await at.servers.mysql.start();
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
      await at.mysql.users.setRole(userId, "operator");
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
