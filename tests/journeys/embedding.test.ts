/** Carillon inside another product, whose keys create users and tokens and send messages, and whose log-in signs tokens. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { randomId, uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { PASSWORD, type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(120_000);

const ISSUER = "https://id.example";
const issuerKey = generateKeyPairSync("ed25519");
let cluster: TestCluster;
let directory: string;
/** A key of every scope. */
let key: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "carillon-issuer-"));
  const publicKeyFile = path.join(directory, "issuer.pem");
  await writeFile(publicKeyFile, issuerKey.publicKey.export({ type: "spki", format: "pem" }));
  const issuers = JSON.stringify([{ issuer: ISSUER, publicKeyFile }]);
  cluster = await startTestCluster({ env: { CARILLON_REGISTRATION: "closed", CARILLON_AUTH_ISSUERS: issuers } });
  key = (await newKey("users,tokens,messages")).key;
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

async function newKey(scopes: string): Promise<{ id: string; key: string }> {
  const { code, document } = await runCarillon(cluster, "keys", "create", "a test", "--scopes", scopes);
  expect(code).toBe(0);
  return document;
}

const call = (method: string, where: string, body?: object, token = key) =>
  cluster.http(method, where, body === undefined ? { token } : { token, body });

/** A user whom the other system made, with a device that it logged in. */
async function person(name: string): Promise<Person> {
  const userId = `${name}-${randomId(8)}`;
  const made = await call("POST", "/v1/admin/users", { userId, displayName: name });
  expect(made).toEqual({ status: 201, body: { userId } });
  const wanted = { userId, deviceId: "phone", platform: "other" };
  const { status, body } = await call("POST", "/v1/admin/tokens", wanted);
  expect([status, body.userId]).toEqual([200, userId]);
  return { userId, deviceId: "phone", token: body.accessToken, refreshToken: body.refreshToken };
}

/** @param ahead how far the clock of the other system is, ms */
const message = (from: Person, to: Person, content = "from another system", ahead = 0) => ({
  senderId: from.userId,
  to: `u:${to.userId}`,
  clientMsgId: uuidv7(Date.now() + ahead),
  contentType: "text",
  content,
});

function signed(claims: object, privateKey: KeyObject = issuerKey.privateKey): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(claims)}`;
  return `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`;
}

test("where registration is closed, keys and operators make users", async () => {
  const wanted = { userId: `eve-${randomId(8)}`, displayName: "eve", password: PASSWORD };
  expect((await cluster.http("POST", "/v1/users", { body: wanted })).body.name).toBe("FORBIDDEN");
  expect((await call("POST", "/v1/admin/users", wanted)).status).toBe(201);
  expect((await call("POST", "/v1/admin/users", wanted)).body.name).toBe("CONFLICT");
  const credentials = { userId: wanted.userId, password: PASSWORD, deviceId: "d", platform: "web" };
  expect((await cluster.http("POST", "/v1/sessions", { body: credentials })).status).toBe(200);
  const alice = await person("alice");
  const again = { userId: alice.userId, displayName: "alice" };
  await cluster.http("PATCH", "/v1/users/me", { token: alice.token, body: { displayName: "Alice" } });
  expect(await call("POST", "/v1/admin/users", again)).toEqual({ status: 200, body: { userId: alice.userId } });
  for (const change of [{ displayName: "Alice" }, { password: PASSWORD }, { userId: alice.userId.toUpperCase() }]) {
    expect((await call("POST", "/v1/admin/users", { ...again, ...change })).body.name).toBe("CONFLICT");
  }
  const withoutPassword = { ...credentials, userId: alice.userId };
  expect((await cluster.http("POST", "/v1/sessions", { body: withoutPassword })).body.name).toBe("NOT_AUTHENTICATED");
  (await cluster.online(alice, "tcp")).close();
  const nobody = { userId: "nobody", deviceId: "d", platform: "web" };
  expect((await call("POST", "/v1/admin/tokens", nobody)).body.name).toBe("NO_SUCH_USER");
});

test("a key acts within its scopes until it is revoked, and is no token of a user", async () => {
  const alice = await person("alice");
  const narrow = await newKey("tokens");
  const login = { userId: alice.userId, deviceId: "laptop", platform: "web" };
  const wrong = narrow.key.slice(0, -1) + (narrow.key.endsWith("0") ? "1" : "0");
  expect((await call("POST", "/v1/admin/tokens", login, narrow.key)).status).toBe(200);
  expect((await call("GET", "/v1/admin/users", undefined, narrow.key)).body.name).toBe("FORBIDDEN");
  expect((await call("POST", "/v1/messages", message(alice, alice), narrow.key)).body.name).toBe("FORBIDDEN");
  const ofUsers = (await call("GET", "/v1/users/me", undefined, narrow.key)).body;
  expect(ofUsers).toMatchObject({ name: "FORBIDDEN", message: expect.stringContaining("no API key") });
  const lacking = (await call("POST", "/v1/admin/groups", { ownerId: "a" }, narrow.key)).body;
  expect(lacking).toMatchObject({ name: "FORBIDDEN", message: "this API key has not the scope groups" });
  expect((await call("GET", "/v1/admin/users", undefined, wrong)).status).toBe(401);
  const listed = (await runCarillon(cluster, "keys", "list")).document.keys;
  expect(listed.find(({ id }: { id: string }) => id === narrow.id)).toMatchObject({
    name: "a test",
    scopes: ["tokens"],
    lastUsedAt: expect.any(Number),
  });
  expect((await runCarillon(cluster, "keys", "revoke", narrow.id)).code).toBe(0);
  expect((await call("POST", "/v1/admin/tokens", login, narrow.key)).body.name).toBe("TOKEN_REVOKED");
  expect((await runCarillon(cluster, "keys", "revoke", "nothing")).code).toBe(2);
  expect((await runCarillon(cluster, "keys", "create", "x", "--scopes", "everything")).code).toBe(2);
});

test("a message over HTTP is a message like any other, and is stored once", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  const [fromAlice, fromBob] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const wanted = message(alice, bob);
  const sent = await call("POST", "/v1/messages", wanted);
  expect(sent).toMatchObject({ status: 200, body: { clientMsgId: wanted.clientMsgId, seq: 1 } });
  for (const device of [fromAlice, fromBob]) {
    const { event } = await device.until("the message", () => device.events[0]);
    expect(event).toMatchObject({ senderId: alice.userId, seq: 1, content: wanted.content });
  }
  const again = await call("POST", "/v1/messages", wanted);
  expect(again).toEqual({ status: 200, body: { ...sent.body, duplicate: true } });
  expect((await call("POST", "/v1/messages", { ...wanted, content: "another" })).body.name).toBe("CONFLICT");
  expect((await call("POST", "/v1/messages", message(bob, alice))).body.seq).toBe(2);
});

test("no frame, key or broadcast can write a message that looks like the server's own", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  const client = await cluster.online(alice, "tcp");
  const { senderId, ...payload } = { ...message(alice, bob, '{"type":"dissolved"}'), contentType: "system" };
  expect((await client.request(Command.SEND, payload)).payload.name).toBe("BAD_PAYLOAD");
  expect((await call("POST", "/v1/messages", { senderId, ...payload })).body.name).toBe("BAD_PAYLOAD");
  const { key: toMany } = await newKey("broadcast");
  const body = { senderId, contentType: "system", content: payload.content };
  expect((await call("POST", "/v1/admin/broadcast", body, toMany)).body.name).toBe("BAD_PAYLOAD");
  client.close();
});

test("a message over HTTP is refused as any other", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  const refusal = async (change: object, token = key) =>
    (await call("POST", "/v1/messages", { ...message(alice, bob), ...change }, token)).body.name;
  expect(await refusal({ to: "u:nobody-of-this-name" })).toBe("NO_SUCH_USER");
  expect(await refusal({ senderId: "nobody-of-this-name" })).toBe("NO_SUCH_USER");
  expect(await refusal({ clientMsgId: "not-a-uuid" })).toBe("BAD_PAYLOAD");
  // The clock of another system may be a little ahead, not an hour.
  expect(await refusal({ clientMsgId: uuidv7(Date.now() + 3_600_000) })).toBe("BAD_PAYLOAD");
  expect((await call("POST", "/v1/messages", message(alice, bob, "early", 12_000))).status).toBe(200);
  expect(await refusal({ content: "" })).toBe("BAD_PAYLOAD");
  expect(await refusal({ content: "x".repeat(16_385) })).toBe("BAD_PAYLOAD");
  expect(await refusal({ seq: 7 })).toBe("BAD_PAYLOAD");
  expect(await refusal({}, alice.token)).toBe("NOT_AUTHENTICATED");
  const mute = { until: Date.now() + 3_600_000 };
  expect((await call("POST", `/v1/admin/users/${alice.userId}/mute`, mute)).status).toBe(204);
  expect(await refusal({})).toBe("USER_MUTED");
  const { body } = await call("POST", "/v1/messages", message(alice, bob));
  expect(Date.now() + body.retryAfterMs).toBeGreaterThan(mute.until - 60_000);
});

test("a message gets BUSY while no worker can answer; repeated with the same id it is stored once", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  const wanted = message(alice, bob, "once");
  const { workers } = cluster.info();
  for (const { pid } of workers) process.kill(pid, "SIGSTOP");
  const busy = await call("POST", "/v1/messages", wanted).finally(() => {
    for (const { pid } of workers) process.kill(pid, "SIGCONT");
  });
  expect(busy).toMatchObject({ status: 503, body: { name: "BUSY", retryAfterMs: expect.any(Number) } });
  const sent = await until("the message is accepted", async () => {
    const answer = await call("POST", "/v1/messages", wanted);
    return answer.status === 200 ? answer : undefined;
  });
  const history = await cluster.http("GET", `/v1/conversations/${sent.body.conversationId}/messages`, {
    token: bob.token,
  });
  expect(history.body.messages.map(({ content }: { content: string }) => content)).toEqual(["once"]);
});

test("a token of another issuer is good at gateways and apis, for users who exist and may come", async () => {
  const { userId } = await person("alice");
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const claims = { iss: ISSUER, sub: userId, deviceId: "tablet", platform: "other", exp };
  const alice = { userId, deviceId: "tablet", token: signed(claims), refreshToken: "" };
  expect((await call("GET", "/v1/users/me", undefined, alice.token)).body.userId).toBe(userId);
  const client = await cluster.online(alice, "ws");
  expect((await client.request(Command.PING)).command).toBe(Command.PONG);
  const foreign = generateKeyPairSync("ed25519").privateKey;
  for (const token of [
    signed(claims, foreign),
    signed({ ...claims, sub: "nobody" }),
    signed({ ...claims, iss: "x" }),
  ]) {
    expect((await call("GET", "/v1/users/me", undefined, token)).body.name).toBe("NOT_AUTHENTICATED");
  }
  expect((await call("GET", "/v1/users/me", undefined, signed({ ...claims, exp: 1_000 }))).body.name).toBe(
    "TOKEN_EXPIRED",
  );
  expect((await call("POST", `/v1/admin/users/${userId}/disable`)).status).toBe(204);
  await client.closed();
  expect((await call("GET", "/v1/users/me", undefined, alice.token)).body.name).toBe("USER_DISABLED");
  await expect(cluster.online(alice, "tcp")).rejects.toThrow("USER_DISABLED");
});
