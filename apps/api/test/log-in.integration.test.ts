/** Log-in, tokens, log-out; and what guesses at them are limited by. */
import { createTokenSigner, newApiKey } from "@carillon/base/node";
import { type Closing, DownlinkReceiver } from "@carillon/bus";
import { CloseCode } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import { createConnection } from "mysql2/promise";
import { failure, PASSWORD, SECRET, TestApi } from "./fixtures/test-api";

let at: TestApi;

beforeAll(async () => {
  at = await TestApi.start();
}, 120_000);

afterAll(() => at.stop());

const http: TestApi["http"] = (...call) => at.http(...call);
const newUser: TestApi["newUser"] = () => at.newUser();
const logIn: TestApi["logIn"] = (...call) => at.logIn(...call);
const refresh: TestApi["refresh"] = (token) => at.refresh(token);
const me: TestApi["me"] = (token) => at.me(token);

describe("log-in", () => {
  test("gives tokens that work", async () => {
    const userId = await newUser();
    const { status, body } = await logIn(userId);
    expect(status).toBe(200);
    expect(body).toEqual({ userId, accessToken: expect.any(String), refreshToken: expect.any(String), expiresIn: 900 });
    expect(await me(body.accessToken)).toEqual({
      status: 200,
      body: {
        userId,
        displayName: "Jemand",
        createdAt: expect.any(Number),
        whoMayAdd: "everybody",
        whoMayWrite: "everybody",
      },
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

  test("of guesses at once no more are judged than there is budget for; then they are slowed, and the right one gets in", async () => {
    const userId = await newUser();
    for (let i = 0; i < 5; i++) expect((await logIn(userId)).status).toBe(200);
    const attacker = "10.3.0.9";
    const guesses = Array.from({ length: 60 }, () => logIn(userId, "phone", "wrong!", attacker));
    const answers = (await Promise.all(guesses)).map(({ status }) => status).sort();
    expect(answers).toEqual([...Array(3).fill(401), ...Array(57).fill(429)]);
    const slowed = await logIn(userId, "phone", PASSWORD, attacker);
    expect(slowed).toEqual(failure("RATE_LIMITED"));
    expect(slowed.body.retryAfterMs).toBeLessThanOrEqual(5_000);
    // Elsewhere nobody notices; and what a client says of itself before the proxy's word does not count.
    expect((await logIn(userId, "phone", PASSWORD, "10.3.0.10")).status).toBe(200);
    expect((await logIn(userId, "phone", PASSWORD, `10.3.7.7, ${attacker}`)).status).toBe(429);
    await new Promise((resolve) => setTimeout(resolve, slowed.body.retryAfterMs));
    await until("the turn comes", async () => (await logIn(userId, "phone", PASSWORD, attacker)).status === 200);
    // All is as before.
    for (let i = 0; i < 2; i++) expect((await logIn(userId, "phone", "wrong!", attacker)).status).toBe(401);
  });

  test("an operator lifts what was counted of a user", async () => {
    const userId = await newUser();
    for (let i = 0; i < 3; i++) expect((await logIn(userId, "phone", "wrong!", "10.3.1.1")).status).toBe(401);
    expect(await logIn(userId, "phone", PASSWORD, "10.3.1.1")).toEqual(failure("RATE_LIMITED"));
    at.api.unlock(userId);
    expect((await logIn(userId, "phone", PASSWORD, "10.3.1.1")).status).toBe(200);
  });

  test("counts failures of an address, whoever they pretend to be", async () => {
    const userId = await newUser();
    for (let i = 0; i < 5; i++) expect((await logIn(`ghost${i}`, "phone", "wrong!", "10.4.0.1")).status).toBe(401);
    expect(await logIn(userId, "phone", PASSWORD, "10.4.0.1")).toEqual(failure("RATE_LIMITED"));
    expect((await logIn(userId, "phone", PASSWORD, "10.4.0.2")).status).toBe(200);
  });

  test("64 at once of one account: two are under way, and the lists of others go on", async () => {
    const [userId, other] = [await newUser(), await newUser()];
    const { accessToken: token } = (await logIn(other)).body;
    const flood = Array.from({ length: 64 }, (_, i) => logIn(userId, `device-${i}`));
    let isOver = false;
    const done = Promise.all(flood).then((answers) => {
      isOver = true;
      return answers;
    });
    let lists = 0;
    while (!isOver) {
      expect((await http("GET", "/v1/groups", { token })).status).toBe(200);
      lists++;
    }
    const statuses = (await done).map(({ status }) => status);
    expect(lists).toBeGreaterThan(10);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(2);
    expect(statuses.every((status) => [200, 429, 503].includes(status))).toBe(true);
  });

  test("API keys and refresh tokens that are guessed count by address", async () => {
    const from = "10.4.1.1";
    const guess = () => http("GET", "/v1/admin/users", { from, token: newApiKey().key });
    for (let i = 0; i < 5; i++) expect((await guess()).status).toBe(401);
    expect(await guess()).toEqual(failure("RATE_LIMITED"));
    const token = `alice.phone.${"f".repeat(24)}.${"s".repeat(32)}`;
    const refused = await http("POST", "/v1/sessions/refresh", { from, body: { refreshToken: token } });
    expect(refused).toEqual(failure("RATE_LIMITED"));
  });

  test("of a disabled user is told so, after the right password only", async () => {
    const userId = await newUser();
    const { body } = await logIn(userId);
    const connection = await createConnection(at.servers.mysql.url);
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

test("there is no log-in by an OpenID provider where none is set", async () => {
  const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
  expect(await http("GET", `/v1/oidc/login?challenge=${challenge}`)).toEqual(failure("NOT_FOUND"));
  expect(await http("GET", "/v1/oidc/callback?state=x")).toEqual(failure("NOT_FOUND"));
  const body = { code: "x", verifier: "v".repeat(43), deviceId: "phone", platform: "ios" };
  expect(await http("POST", "/v1/oidc/sessions", { body })).toEqual(failure("NOT_FOUND"));
});

describe("log-out", () => {
  test("revokes the device and tells the gateways to close its connections", async () => {
    const closings: Closing[] = [];
    const receiver = new DownlinkReceiver({
      bus: at.bus,
      gateway: "gateway-1",
      takesOrders: true,
      onMessage: (message) => {
        if (message.kind === "closings") closings.push(...message.closings);
      },
      onBreak: () => {},
    });
    receiver.start();
    await at.bus.connection.flush();
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
    await at.bus.connection.flush();
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
