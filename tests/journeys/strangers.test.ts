/**
 * Strangers send hostile input to the open ports without any log-in. Their connection gets a refusal or is closed, the same
 * processes continue, and no user notices.
 */
import { connect, type Socket } from "node:net";
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";

/** Targets that a parser of whole addresses throws at. */
const TARGETS = [
  "//",
  "http://[",
  "/\\\\",
  "//:80",
  "http://",
  "http://a:b:c/",
  "*",
  "/%",
  "/ws//",
  "?",
  "http://[::1/x",
];

const UPGRADE = [
  "Host: x",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

let cluster: TestCluster;
let bystander: Person;
let good: RawClient;
let pids: Record<string, number>;

beforeAll(async () => {
  cluster = await startTestCluster();
  bystander = await cluster.person("bystander");
  good = await cluster.online(bystander, "ws");
  pids = pidsNow();
}, 300_000);
afterAll(async () => {
  good?.close();
  await cluster?.stop();
}, 60_000);

afterEach(async () => {
  const content = {
    clientMsgId: uuidv7(Date.now()),
    to: `u:${bystander.userId}`,
    contentType: "text",
    content: "hello",
  };
  expect((await good.request(Command.SEND, content)).command).toBe(Command.SENT);
  expect(good.isClosed).toBe(false);
  expect(pidsNow()).toEqual(pids);
});

function pidsNow(): Record<string, number> {
  const { gateways, workers, archivers, apis } = cluster.info();
  return Object.fromEntries([...gateways, ...workers, ...archivers, ...apis].map(({ nodeId, pid }) => [nodeId, pid]));
}

/** Ports that strangers reach by HTTP. */
function httpPorts(): [name: string, port: number][] {
  const { gateways, apis } = cluster.info();
  return [
    ...gateways.map(({ nodeId, ws }): [string, number] => [nodeId, Number(new URL(ws).port)]),
    ...apis.map(({ nodeId, http }): [string, number] => [nodeId, Number(new URL(http).port)]),
  ];
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** Sends the lines of a request. @returns the beginning of the answer; nothing when the connection was closed instead */
async function talk(port: number, lines: string[]): Promise<string> {
  const socket = await dial(port);
  const answer = new Promise<string>((resolve) => {
    socket.once("data", (chunk) => resolve(chunk.toString()));
    socket.once("close", () => resolve(""));
  });
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const text = await answer;
  socket.destroy();
  return text;
}

describe.each(TARGETS)("the target %s", (target) => {
  test("of a request gets an answer", async () => {
    for (const [, port] of httpPorts()) {
      expect(await talk(port, [`GET ${target} HTTP/1.1`, "Host: x", "Connection: close"])).toMatch(
        /^HTTP\/1.1 [34]\d\d/,
      );
    }
  });

  test("of an upgrade is refused", async () => {
    for (const [, port] of httpPorts()) {
      const answer = await talk(port, [`GET ${target} HTTP/1.1`, ...UPGRADE, "Sec-WebSocket-Protocol: carillon.v1"]);
      expect(answer).toMatch(/^HTTP\/1.1 [34]\d\d/);
    }
  });
});

test.each([
  ["another path", ["GET /x HTTP/1.1", ...UPGRADE, "Sec-WebSocket-Protocol: carillon.v1"]],
  ["no known subprotocol", ["GET /ws HTTP/1.1", ...UPGRADE]],
  ["no key", ["GET /ws HTTP/1.1", ...UPGRADE.slice(0, 4), "Sec-WebSocket-Protocol: carillon.v1"]],
  ["a good one", ["GET /ws HTTP/1.1", ...UPGRADE, "Sec-WebSocket-Protocol: carillon.v1"]],
])("an upgrade whose sender resets the connection at once: %s", async (_name, lines) => {
  for (let i = 0; i < 20; i++) {
    for (const [, port] of httpPorts()) {
      const socket = await dial(port);
      socket.write(`${lines.join("\r\n")}\r\n\r\n`, () => socket.resetAndDestroy());
    }
  }
});

describe("half a surrogate pair in the JSON form", () => {
  const texts = [
    '{"\\ud800":1,"command":"PING"}',
    '{"command":"\\ud800"}',
    '{"command":"PING","payload":{"\\udfff":{"\\ud800":1}}}',
    '{"command":"SEND","payload":{"to":"\\ud800","\\ud800":"x"}}',
    `{"command":"PING","payload":{"${"x".repeat(63)}\\ud83d\\ude00":1}}`,
  ];
  const stranger = async () => RawClient.open("json", (await cluster.route(bystander))[0]!);

  test.each(texts)("before log-in: %s", async (text) => {
    const client = await stranger();
    client.sendRaw(text);
    expect((await client.nextOf(Command.ERROR)).payload.message).not.toMatch(/\p{Surrogate}/u);
    await client.closed();
  });

  test.each(texts)("after log-in: %s", async (text) => {
    const client = await cluster.online(await cluster.person("someone"), "json");
    client.sendRaw(text);
    await client.nextOf(Command.ERROR);
    client.destroy();
  });
});

test("half a surrogate pair over HTTP is a bad payload, in every text", async () => {
  const broken = (body: object) => JSON.stringify(body).replaceAll("HALF", "\\ud800");
  const register = { userId: "someone-new", displayName: "HALF", password: "correct horse battery" };
  for (const [method, where, body] of [
    ["POST", "/v1/users", register],
    ["POST", "/v1/users", { ...register, displayName: "x", HALF: 1 }],
    ["PATCH", "/v1/users/me", { displayName: "a HALF" }],
    ["POST", "/v1/groups", { name: "HALF", joinPolicy: "open" }],
  ] as const) {
    const { token } = bystander;
    expect(await cluster.http(method, where, { token, body: broken(body) })).toMatchObject({
      status: 400,
      body: { name: "BAD_PAYLOAD" },
    });
  }
});

test("a name has something that can be seen and nothing that turns text around, at every entrance", async () => {
  const { token, userId } = bystander;
  const made = await cluster.http("POST", "/v1/groups", { token, body: { name: "choir", joinPolicy: "open" } });
  const friend = await cluster.person("friend");
  await cluster.http("POST", "/v1/friend-requests", { token, body: { userId: friend.userId } });
  await cluster.http("POST", `/v1/friend-requests/${userId}/accept`, { token: friend.token });
  const register = { userId: "someone-new", password: "correct horse battery" };
  const entrances: [method: string, where: string, (name: string) => object][] = [
    ["POST", "/v1/users", (displayName) => ({ ...register, displayName })],
    ["PATCH", "/v1/users/me", (displayName) => ({ displayName })],
    ["POST", "/v1/groups", (name) => ({ name, joinPolicy: "open" })],
    ["PATCH", `/v1/groups/${made.body.groupId}`, (name) => ({ name })],
    ["PATCH", `/v1/friends/${friend.userId}`, (remark) => ({ remark })],
  ];
  for (const [method, where, body] of entrances) {
    for (const name of ["\u200b\u3164", "x\u202ey", "x\ny", "\u001b[2J", " "]) {
      const answer = await cluster.http(method, where, { token, body: body(name) });
      expect([where, name, answer]).toMatchObject([where, name, { status: 400, body: { name: "BAD_PAYLOAD" } }]);
    }
  }
  for (const displayName of ["deleted user", "Deleted\u00a0User"]) {
    expect((await cluster.http("PATCH", "/v1/users/me", { token, body: { displayName } })).status).toBe(400);
  }
  const patch = (notice: string) =>
    cluster.http("PATCH", `/v1/groups/${made.body.groupId}`, { token, body: { notice } });
  expect((await patch("first line\nsecond line")).status).toBe(200);
  expect((await patch("\u001b[2J")).status).toBe(400);
});

test.each(["before", "after"])("a flood of WebSocket PINGs %s log-in ends the connection", async (when) => {
  const person = await cluster.person("someone");
  const client =
    when === "after"
      ? await cluster.online(person, "ws")
      : await RawClient.open("ws", (await cluster.route(person))[0]!);
  const { socket } = client;
  const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
  for (let i = 0; i < 3_000; i++) socket.write(ping);
  expect(await client.closed()).toBeGreaterThanOrEqual(4_100);
});
