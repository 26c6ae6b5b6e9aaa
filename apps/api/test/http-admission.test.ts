/** Whom the HTTP server lets do how much at once: the hooks and handlers of real routes, without stores. */
import type { AddressInfo } from "node:net";
import {
  type AccessClaims,
  createTokenSigner,
  Issuers,
  secretsOf,
  silentLogger,
  TokenSecrets,
  TokenVerifier,
} from "@carillon/base/node";
import type { Credentials } from "@carillon/store";
import fastify, { type FastifyInstance } from "fastify";
import { Authenticator } from "../src/auth/authenticate";
import { guardRoutes } from "../src/http/access";
import { HttpAdmission } from "../src/http/admission";
import { answerFailures } from "../src/http/failures";

const SECRET = "a secret of these tests, long enough";
const limits = { httpReadsPerSecond: 1, httpReadsBurst: 40, httpWritesPerSecond: 1, httpWritesBurst: 3 };

let server: FastifyInstance;
let asked: string[];
let ends: (() => void)[];
let begun: string[];

beforeEach(async () => {
  [asked, ends, begun] = [[], [], []];
  const user: Credentials = {
    status: "normal",
    role: "user",
    tokenVersion: 1,
    device: { revoked: false, login: undefined },
  };
  const credentials = {
    of: async (sessions: readonly { userId: string }[]) =>
      sessions.map(({ userId }) => {
        asked.push(userId);
        return user;
      }),
  };
  const keys = { find: async () => undefined, used: async () => {} };
  const lookUps = { lookUp: <T>(_: string, find: () => Promise<T>) => find() };
  const secrets = new TokenSecrets(secretsOf({ secret: SECRET, secrets: [] }, Date.now()));
  const tokens = new TokenVerifier(secrets, new Issuers([], silentLogger()));
  const authenticator = new Authenticator(tokens, credentials, keys, lookUps, () => 0);
  server = fastify();
  answerFailures(server, console as never);
  guardRoutes(server, { authenticator, admission: new HttpAdmission({ limits, monotonic: () => performance.now() }) });
  const access = { config: { access: "user" as const, errors: [] } };
  server.get("/v1/slow", access, async ({ caller }) => {
    begun.push(caller!.userId);
    await new Promise<void>((resolve) => ends.push(resolve));
    return { done: true };
  });
  server.get("/v1/list", access, async () => ({ items: [] }));
  server.post("/v1/change", access, async () => ({ done: true }));
  server.get("/v1/route", { config: { access: "token", errors: [] } }, async () => ({ gateways: [] }));
  await server.listen({ port: 0, host: "127.0.0.1" });
});

afterEach(async () => {
  for (const end of ends) end();
  await server.close();
});

const sign = createTokenSigner(SECRET, 60);
const tokenOf = (userId: string) =>
  sign({ userId, deviceId: "d", platform: "web", tokenVersion: 1 } satisfies AccessClaims & { tokenVersion: number });

function call(method: string, path: string, userId: string, signal?: AbortSignal): Promise<Response> {
  const { port } = server.server.address() as AddressInfo;
  const options = { method, headers: { authorization: `Bearer ${tokenOf(userId)}` } };
  return fetch(`http://127.0.0.1:${port}${path}`, signal === undefined ? options : { ...options, signal });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a user who asks for more than the budget is told when to come back, and MySQL is not asked about them", async () => {
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await call("POST", "/v1/change", "alice")).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  expect(asked).toHaveLength(3);
  const refused = await call("POST", "/v1/change", "alice");
  expect(await refused.json()).toMatchObject({ name: "RATE_LIMITED", retryAfterMs: expect.any(Number) });
  expect((await call("GET", "/v1/list", "alice")).status).toBe(200);
  expect((await call("POST", "/v1/change", "bob")).status).toBe(200);
});

test("one user's requests wait for each other, and hold up nobody else", async () => {
  const slow = Array.from({ length: 30 }, () => call("GET", "/v1/slow", "alice"));
  await until(() => begun.length === 4 && asked.length === 30);
  expect((await call("GET", "/v1/list", "bob")).status).toBe(200);
  expect((await call("GET", "/v1/route", "alice")).status).toBe(200);
  expect(begun).toHaveLength(4);
  let isOver = false;
  const answers = Promise.all(slow).then((all) => {
    isOver = true;
    return all.map(({ status }) => status);
  });
  while (!isOver) {
    for (const end of ends.splice(0)) end();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  // 4 under way, 24 that wait.
  expect((await answers).sort()).toEqual([...Array(28).fill(200), 503, 503]);
});

test("a request whose client has gone is not begun", async () => {
  for (let i = 0; i < 4; i++) void call("GET", "/v1/slow", "alice").catch(() => {});
  await until(() => begun.length === 4);
  const gone = new AbortController();
  const waiting = call("GET", "/v1/slow", "alice", gone.signal).catch(() => "gone");
  await until(() => asked.length === 5);
  gone.abort();
  expect(await waiting).toBe("gone");
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const end of ends.splice(0)) end();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(begun).toHaveLength(4);
});
