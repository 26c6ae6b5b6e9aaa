/**
 * The answers to bad input: one row for each case and transport. Each row also sends one good message over another connection
 * meanwhile, since no other client may be disturbed.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { uuidv7 } from "@carillon/base";
import { createTokenSigner } from "@carillon/base/node";
import { CloseCode, Command, encodeFrame } from "@carillon/protocol";
import {
  type Gateway,
  type Person,
  RawClient,
  type RawTransport,
  rawTransports,
  startTestCluster,
  type TestCluster,
} from "@carillon/testkit";
import { WebSocket } from "ws";

let cluster: TestCluster;
let bystander: Person;
let good: RawClient;
let goodMessages = 0;

beforeAll(async () => {
  cluster = await startTestCluster();
  bystander = await cluster.person("bystander");
  good = await cluster.online(bystander, "tcp");
}, 300_000);
afterAll(async () => {
  good?.close();
  await cluster?.stop();
}, 60_000);

afterEach(async () => {
  const answer = await good.request(Command.SEND, message(`u:${bystander.userId}`));
  expect(answer.payload.seq).toBe(++goodMessages);
  const { inboxSeq } = await good.until("the bystander's own event", () => good.events[goodMessages - 1]);
  // The gateway would send unacknowledged events again, and in the end close the connection.
  const { epoch } = good.frames.findLast(({ command }) => command === Command.DELIVER)!.payload;
  good.send(Command.RECEIVED, { epoch, inboxSeq });
});

const message = (to: string, content = "hello", more: object = {}) => ({
  clientMsgId: uuidv7(Date.now()),
  to,
  contentType: "text",
  content,
  ...more,
});

async function stranger(transport: RawTransport): Promise<RawClient> {
  return RawClient.open(transport, await cluster.addressesFor(bystander, transport));
}

async function someone(transport: RawTransport): Promise<[RawClient, Person]> {
  const person = await cluster.person("someone");
  return [await cluster.online(person, transport), person];
}

/** A frame with a header of one's own making. */
function rawFrame(
  header: { length?: number; version?: number; flags?: number; command?: number },
  payload = Buffer.alloc(0),
) {
  const { length = 8 + payload.length, version = 1, flags = 0, command = Command.PING } = header;
  const frame = Buffer.alloc(12);
  frame.writeUInt32BE(length, 0);
  frame.writeUInt8(version, 4);
  frame.writeUInt8(flags, 5);
  frame.writeUInt16BE(command, 6);
  frame.writeUInt32BE(77, 8);
  return Buffer.concat([frame, payload]);
}

/** KICKED names the code over every transport; WebSocket closes with it. */
async function expectClose(client: RawClient, code: number): Promise<void> {
  expect((await client.nextOf(Command.KICKED)).payload.code).toBe(code);
  expect(await client.closed()).toBe(client.transport === "tcp" ? -1 : code);
}

const expectError = async (client: RawClient, name: string) =>
  expect((await client.next(name, ({ command }) => command === Command.ERROR)).payload).toMatchObject({ name });

const expectAlive = async (client: RawClient) => {
  expect((await client.request(Command.PING)).command).toBe(Command.PONG);
  client.close();
};

describe.each(["tcp", "ws", "udp"] as const)("frames over %s", (transport) => {
  test.each([
    ["length below 8", { length: 7 }, "BAD_FRAME"],
    ["length above 65,544", { length: 65_545 }, "FRAME_TOO_LARGE"],
    ["length of 4 GiB", { length: 0xffffffff }, "FRAME_TOO_LARGE"],
    ["another version", { version: 2 }, "BAD_FRAME"],
    ["a set flag", { flags: 1 }, "BAD_FRAME"],
  ])("%s", async (_name, header, error) => {
    const [client] = await someone(transport);
    client.sendRaw(rawFrame(header));
    await expectError(client, error);
    await expectClose(client, CloseCode.PROTOCOL_ERROR);
  });

  test("an unknown command stays open", async () => {
    const [client] = await someone(transport);
    client.sendRaw(rawFrame({ command: 999 }));
    await expectError(client, "UNKNOWN_COMMAND");
    await expectAlive(client);
  });

  const text = (value: string) => Buffer.concat([Buffer.from([0xa0 | value.length]), Buffer.from(value)]);
  test.each([
    ["no MessagePack", Buffer.from([0xc1])],
    ["no map", Buffer.from([0x01])],
    ["half a map", Buffer.from([0x82, 0xa1])],
    ["something after the map", Buffer.from([0x80, 0x80])],
    ["too deep", Buffer.concat([Buffer.from([0x81]), text("to"), Buffer.alloc(20, 0x91), Buffer.from([0xc0])])],
    ["60 KB of array headers", Buffer.concat([Buffer.from([0x81]), text("to"), Buffer.alloc(60_000, 0x91)])],
    ["a lying length", Buffer.concat([Buffer.from([0x81]), text("to"), Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff])])],
    ["__proto__", Buffer.concat([Buffer.from([0x81]), text("__proto__"), Buffer.from([0x80])])],
    ["bad UTF-8", Buffer.concat([Buffer.from([0x81]), text("to"), Buffer.from([0xa2, 0xc3, 0x28])])],
    ["a key twice", Buffer.concat([Buffer.from([0x82]), text("to"), text("a"), text("to"), text("a")])],
    ["an extension type", Buffer.concat([Buffer.from([0x81]), text("to"), Buffer.from([0xd4, 1, 1])])],
  ])("payload: %s", async (_name, payload) => {
    const [client] = await someone(transport);
    client.sendRaw(rawFrame({ command: Command.SEND }, payload));
    await expectError(client, "BAD_PAYLOAD");
    await expectAlive(client);
  });
});

describe.each(rawTransports)("payloads over %s", (transport) => {
  test.each([
    ["a missing key", { to: "u:bob", contentType: "text", content: "x" }, "clientMsgId"],
    ["an extra key", message("u:bob", "x", { colour: "red" }), "colour"],
    ["a wrong type", message("u:bob", 7 as never), "content"],
    ["nil for absent", message("u:bob", "x", { contentType: null }), "contentType"],
    ["an id that is no UUIDv7", message("u:bob", "x", { clientMsgId: "1" }), "clientMsgId"],
    ["a malformed target", message("bob"), "to"],
    ["a target with a slash", message("u:bo/b"), "to"],
    ["empty content", message("u:bob", ""), "content"],
    ["content that is too long", message("u:bob", "x".repeat(16_385)), "content"],
    ["content that is too long in bytes", message("u:bob", "é".repeat(8_193)), "content"],
    ["an unknown content type", message("u:bob", "x", { contentType: "smell" }), "contentType"],
  ])("%s names the key, and the connection stays", async (_name, payload, key) => {
    const [client] = await someone(transport);
    const answer = await client.request(Command.SEND, payload);
    expect(answer.payload).toMatchObject({ name: "BAD_PAYLOAD" });
    expect(answer.payload.message).toContain(key);
    await expectAlive(client);
  });

  test("ten bad frames in a minute close with 4204", async () => {
    const [client] = await someone(transport);
    for (let i = 0; i < 10; i++) client.send(Command.SEND, {});
    await expectClose(client, CloseCode.TOO_MANY_VIOLATIONS);
    expect(client.frames.filter(({ command }) => command === Command.ERROR)).toHaveLength(10);
  });

  test("an id dated ahead of the server's clock, a user who does not exist, a number that was never sent", async () => {
    const [client, person] = await someone(transport);
    const self = `u:${person.userId}`;
    const ahead = await client.request(Command.SEND, message(self, "x", { clientMsgId: uuidv7(Date.now() + 60_000) }));
    expect(ahead.payload.name).toBe("BAD_PAYLOAD");
    const nobody = await client.request(Command.SEND, message("u:nobody-of-that-name"));
    expect(nobody.payload.name).toBe("NO_SUCH_USER");
    const { epoch } = client.frames[0]!.payload.inbox;
    const received = await client.request(Command.RECEIVED, { epoch, inboxSeq: 5 });
    expect(received.payload.name).toBe("BAD_PAYLOAD");
    await expectAlive(client);
  });

  test("commands of the server and a second CONNECT are unknown", async () => {
    const [client, person] = await someone(transport);
    const connect = { token: person.token, deviceId: person.deviceId, platform: "other" };
    for (const [command, payload] of [
      [Command.CONNECTED, {}],
      [Command.CONNECT, connect],
    ] as const) {
      expect((await client.request(command, payload)).payload.name).toBe("UNKNOWN_COMMAND");
    }
    await expectAlive(client);
  });

  test("too many frames: RATE_LIMITED with a time, then 4204", async () => {
    const [client] = await someone(transport);
    for (let i = 0; i < 2_000; i++) client.send(Command.PING);
    const limited = await client.next("RATE_LIMITED", ({ payload }) => payload.name === "RATE_LIMITED");
    expect(limited.payload.retryAfterMs).toBeGreaterThan(0);
    await expectClose(client, CloseCode.TOO_MANY_VIOLATIONS);
  });

  test("too many messages: RATE_LIMITED, the others arrive", async () => {
    const [client, person] = await someone(transport);
    for (let i = 0; i < 260; i++) client.send(Command.SEND, message(`u:${person.userId}`, `${i}`));
    await client.until("all answers", () => {
      const answers = client.frames.filter(({ command }) => command === Command.SENT || command === Command.ERROR);
      return answers.length === 260;
    });
    const limited = client.frames.filter(({ payload }) => payload.name === "RATE_LIMITED");
    expect(limited.length).toBeGreaterThan(20);
    await client.until("the events", () => client.events.length === 260 - limited.length);
    await expectAlive(client);
  });
});

describe.each(rawTransports)("log-in over %s", (transport) => {
  const secret = () =>
    JSON.parse(readFileSync(path.join(cluster.running.directory, "carillon.json"), "utf8")).auth.secret as string;
  const connect = (token: string, deviceId = "device-1") => ({ token, deviceId, platform: "other" });
  const claims = (person: Person) => ({
    userId: person.userId,
    deviceId: person.deviceId,
    platform: "other",
    tokenVersion: 1,
  });

  test("anything before CONNECT", async () => {
    const client = await stranger(transport);
    client.send(Command.PING);
    await expectError(client, "NOT_AUTHENTICATED");
    await expectClose(client, CloseCode.NOT_AUTHENTICATED);
  });

  test("no CONNECT in time, whatever trickles in", async () => {
    const client = await stranger(transport);
    if (transport === "tcp") client.sendRaw(Buffer.from([0]));
    await expectError(client, "NOT_AUTHENTICATED");
    await expectClose(client, CloseCode.NOT_AUTHENTICATED);
  });

  test("more than 16 KiB before log-in", async () => {
    const client = await stranger(transport);
    const token = "x".repeat(8_000);
    for (let i = 0; i < 4; i++) client.send(Command.CONNECT, connect(token));
    await expectError(client, "NOT_AUTHENTICATED");
    await expectClose(client, CloseCode.NOT_AUTHENTICATED);
  });

  test("a forged token, one of another device, one of another platform", async () => {
    const person = await cluster.person("someone");
    const forged = createTokenSigner("another secret of the right length", 60)(claims(person));
    for (const payload of [
      connect(forged),
      connect("no token"),
      connect(person.token, "device-2"),
      { ...connect(person.token), platform: "ios" },
    ]) {
      const client = await stranger(transport);
      client.send(Command.CONNECT, payload);
      await expectError(client, "NOT_AUTHENTICATED");
      await expectClose(client, CloseCode.NOT_AUTHENTICATED);
    }
  });

  test("an expired token", async () => {
    const person = await cluster.person("someone");
    const token = createTokenSigner(secret(), 0.001)(claims(person));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const client = await stranger(transport);
    client.send(Command.CONNECT, connect(token));
    await expectError(client, "TOKEN_EXPIRED");
    await expectClose(client, CloseCode.TOKEN_EXPIRED);
  });

  test("log-out closes the device's connection, and its token is revoked", async () => {
    const [client, person] = await someone(transport);
    const answer = await cluster.http("DELETE", "/v1/sessions/current", { token: person.token });
    expect(answer.status).toBe(204);
    await expectClose(client, CloseCode.TOKEN_REVOKED);
    const again = await RawClient.open(transport, await cluster.addressesFor(person, transport));
    again.send(Command.CONNECT, connect(person.token));
    await expectError(again, "TOKEN_REVOKED");
    await expectClose(again, CloseCode.TOKEN_REVOKED);
  });

  test("after a new log-in on the device, tokens of the log-in before are revoked", async () => {
    const person = await cluster.person("someone");
    await cluster.http("DELETE", "/v1/sessions/current", { token: person.token });
    const again = await cluster.device(person, person.deviceId);
    expect((await cluster.http("GET", "/v1/users/me", { token: person.token })).body.name).toBe("TOKEN_REVOKED");
    const client = await RawClient.open(transport, await cluster.addressesFor(again, transport));
    client.send(Command.CONNECT, connect(person.token));
    await expectError(client, "TOKEN_REVOKED");
    await expectAlive(await cluster.online(again, transport));
  });

  test("the same device again: the older connection is replaced", async () => {
    const [older, person] = await someone(transport);
    const newer = await cluster.online(person, transport);
    await expectClose(older, CloseCode.REPLACED);
    await expectAlive(newer);
  });

  test("TOKEN takes a fresh token of the same device only", async () => {
    const [client, person] = await someone(transport);
    const other = await cluster.person("other");
    expect((await client.request(Command.TOKEN, { token: other.token })).payload.name).toBe("NOT_AUTHENTICATED");
    const fresh = createTokenSigner(secret(), 60)(claims(person));
    expect((await client.request(Command.TOKEN, { token: fresh })).command).toBe(Command.OK);
    await expectAlive(client);
  });

  test("a wrong gateway answers with the right address, which works", async () => {
    const person = await cluster.person("someone");
    const [right, wrong] = await cluster.route(person);
    const open = async (gateway: Gateway) =>
      RawClient.open(transport, await cluster.addressesFor(person, transport, gateway));
    const client = await open(wrong!);
    const goaway = await client.request(Command.CONNECT, connect(person.token));
    expect(goaway).toMatchObject({ command: Command.GOAWAY, payload: { reason: "wrong-gateway", reconnectTo: right } });
    expect(await client.closed()).toBe(transport === "tcp" ? -1 : CloseCode.GOING_AWAY);
    const next = await open(goaway.payload.reconnectTo);
    await next.connect(connect(person.token));
    await expectAlive(next);
    const fallback = await open(wrong!);
    await fallback.connect({ ...connect(person.token), fallback: true });
    await expectAlive(fallback);
  });

  test("a client that asks and never reads is cut, and leaves nothing behind", async () => {
    const [client, person] = await someone(transport);
    const content = "x".repeat(16_000);
    for (let i = 0; i < 8; i++) await client.request(Command.SEND, message(`u:${person.userId}`, content));
    const conversationId = `p:${person.userId}:${person.userId}`;
    await client.request(Command.PULL, { conversationId, fromSeq: 1 });
    client.stopReading();
    for (let i = 0; i < 390; i++) client.send(Command.PULL, { conversationId, fromSeq: 1, limit: 3 });
    const sessions = async () => (await cluster.http("GET", "/v1/sessions", { token: person.token })).status;
    expect(await sessions()).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    client.resumeReading();
    // Over UDP the close may be among what was not read; the client's heartbeat tells it then.
    if (transport === "udp") expect((await cluster.online(person, transport)).isClosed).toBe(false);
    else await client.closed();
  });
});

describe("WebSocket and the JSON form", () => {
  const open = async (protocols: string[], where = "") => {
    const [gateway] = await cluster.route(bystander);
    const socket = new WebSocket(gateway!.ws + where, protocols);
    const events = await new Promise<{ opened: boolean; status?: number }>((resolve) => {
      socket.on("open", () => resolve({ opened: true }));
      socket.on("unexpected-response", (_request, response) =>
        resolve({ opened: false, status: response.statusCode! }),
      );
      socket.on("error", () => resolve({ opened: false }));
    });
    return { socket, ...events };
  };

  test("no known subprotocol: HTTP 400; another path: 404", async () => {
    expect(await open(["chat"])).toMatchObject({ opened: false, status: 400 });
    expect(await open(["carillon.v1"], "/else")).toMatchObject({ opened: false, status: 404 });
  });

  test("a message over 128 KiB: 1009", async () => {
    const client = await stranger("ws");
    client.sendRaw(Buffer.alloc(131_073));
    expect(await client.closed()).toBe(1009);
  });

  test("too many headers are refused", async () => {
    const [gateway] = await cluster.route(bystander);
    const headers = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`x-${i}`, "y"]));
    const socket = new WebSocket(gateway!.ws, "carillon.v1", { headers });
    await new Promise<void>((resolve) => {
      socket.on("error", () => resolve());
      socket.on("open", () => resolve());
    });
    expect(socket.readyState).not.toBe(WebSocket.OPEN);
  });

  test("a flood of fragments is cut", async () => {
    const client = await stranger("ws");
    const { socket } = client;
    // Masked frames of one byte, FIN not set: the first binary, the others continuations.
    for (let i = 0; i < 5_000; i++) socket.write(Buffer.from([i === 0 ? 0x02 : 0x00, 0x81, 0, 0, 0, 0, 1]));
    expect(await client.closed()).toBeGreaterThan(1000);
  });

  test("the wrong kind of message: BAD_FRAME and 4200", async () => {
    const [binary] = await someone("ws");
    binary.sendRaw("{}");
    await expectError(binary, "BAD_FRAME");
    await expectClose(binary, CloseCode.PROTOCOL_ERROR);
    const [json] = await someone("json");
    json.sendRaw(encodeFrame(Command.PING, 1));
    await expectError(json, "BAD_FRAME");
    await expectClose(json, CloseCode.PROTOCOL_ERROR);
  });

  test.each([
    ["no JSON", "{", "BAD_FRAME"],
    ["no object", "[]", "BAD_FRAME"],
    ["an unknown key of the frame", '{"command":"PING","colour":1}', "BAD_FRAME"],
    ["a negative requestId", '{"command":"PING","requestId":-1}', "BAD_FRAME"],
  ])("%s closes with 4200", async (_name, text, error) => {
    const [client] = await someone("json");
    client.sendRaw(text);
    await expectError(client, error);
    await expectClose(client, CloseCode.PROTOCOL_ERROR);
  });

  test.each([
    ["an unknown command", '{"command":"SING"}', "UNKNOWN_COMMAND"],
    ["__proto__", '{"command":"SEND","payload":{"__proto__":{}}}', "BAD_PAYLOAD"],
    ["too deep", `{"command":"SEND","payload":{"to":${"[".repeat(20)}${"]".repeat(20)}}}`, "BAD_PAYLOAD"],
    ["a key twice", '{"command":"SEND","payload":{"to":"a","to":"a"}}', "BAD_PAYLOAD"],
  ])("%s stays open", async (_name, text, error) => {
    const [client] = await someone("json");
    client.sendRaw(text);
    await expectError(client, error);
    await expectAlive(client);
  });
});

describe("HTTP", () => {
  const register = (body: unknown) => cluster.http("POST", "/v1/users", { body });
  const logIn = (body: unknown) => cluster.http("POST", "/v1/sessions", { body });

  test.each([
    ["wrong JSON", "{", 400],
    ["a wrong type", { userId: 7, displayName: "x", password: "12345678" }, 400],
    ["a missing key", { userId: "x" }, 400],
    ["an extra key", { userId: "x", displayName: "x", password: "12345678", admin: true }, 400],
    ["a reserved id", { userId: "me", displayName: "x", password: "12345678" }, 400],
    ["a short password", { userId: "x", displayName: "x", password: "1234567" }, 400],
  ])("%s", async (_name, body, status) => {
    expect(await register(body)).toMatchObject({ status, body: { name: "BAD_PAYLOAD" } });
  });

  test("an id that exists, or differs in case only: CONFLICT", async () => {
    const body = { displayName: "x", password: "12345678" };
    for (const userId of [bystander.userId, bystander.userId.toUpperCase()]) {
      expect(await register({ ...body, userId })).toMatchObject({ status: 409, body: { name: "CONFLICT" } });
    }
  });

  test("an unknown route, no token, an unknown conversation", async () => {
    expect(await cluster.http("GET", "/v1/nothing")).toMatchObject({ status: 404, body: { name: "NOT_FOUND" } });
    expect(await cluster.http("GET", "/v1/route")).toMatchObject({ status: 401, body: { name: "NOT_AUTHENTICATED" } });
    const { token } = bystander;
    const answer = await cluster.http("GET", "/v1/conversations/p:a:b/messages", { token });
    expect(answer).toMatchObject({ status: 404, body: { name: "NO_SUCH_CONVERSATION" } });
  });

  test("an unknown user and a wrong password get the same answer, and guessing is limited", async () => {
    const person = await cluster.person("someone");
    const guess = { password: "wrong password", deviceId: "d", platform: "other" };
    const unknown = await logIn({ ...guess, userId: "nobody-there" });
    expect(await logIn({ ...guess, userId: person.userId })).toEqual(unknown);
    expect(unknown).toMatchObject({ status: 401, body: { name: "NOT_AUTHENTICATED" } });
    const answers = [];
    for (let i = 0; i < 12; i++) answers.push((await logIn({ ...guess, userId: person.userId })).status);
    expect(answers.at(-1)).toBe(429);
  });
});

describe("settings", () => {
  async function run(environment: Record<string, string>): Promise<{ code: number | null; text: string }> {
    const config = path.join(cluster.running.directory, "carillon.json");
    const child = spawn(process.execPath, ["apps/gateway/dist/main.js"], {
      env: { ...process.env, CARILLON_CONFIG: config, CARILLON_NODE_ID: "gateway-x", ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
    return { code, text };
  }

  test.each([
    ["an unknown variable", { CARILLON_GATEWAY_TCPPORT: "1" }, "CARILLON_GATEWAY_TCPPORT"],
    ["a wrong value", { CARILLON_GATEWAY_TCP_PORT: "many" }, "gateway.tcpPort"],
    ["a missing file", { CARILLON_CONFIG: "/nowhere/carillon.json" }, "/nowhere/carillon.json"],
    ["NATS that is not there", { CARILLON_NATS_SERVERS: "nats://127.0.0.1:1" }, "127.0.0.1:1"],
  ])("%s: the process says which, and exits with 1", async (_name, environment, expected) => {
    const { code, text } = await run(environment);
    expect(text).toContain(expected);
    expect(code).toBe(1);
  });
});
