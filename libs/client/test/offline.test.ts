/**
 * Tests of messages written without a connection, on a device that may never have had one: shown and stored at once, sent once.
 */
import { type ClientMessage, Command, type SendPayload, uuidv7Time } from "@carillon/protocol";
import { BaseClient } from "../src/client";
import { type ClientStorage, MemoryStorage } from "../src/storage/storage";
import { viewOf } from "../src/view-of";
import { connected } from "./fixtures/connected";
import { InProcessGateway } from "./fixtures/in-process-gateway";

const CHAT = "p:alice:bob";

/** A gateway with a clock of its own. */
class FakeGateway extends InProcessGateway {
  readonly taken: SendPayload[] = [];

  constructor(private readonly serverTime: number) {
    super();
  }

  protected hear({ command, payload }: ClientMessage, requestId: number): void {
    if (command === Command.CONNECT) {
      this.say(Command.CONNECTED, { ...connected("g"), serverTime: this.serverTime }, requestId);
    }
    if (command !== Command.SEND) return;
    const { clientMsgId } = payload;
    const seq = this.taken.push(payload);
    this.say(
      Command.SENT,
      { clientMsgId, conversationId: CHAT, seq, messageId: `${seq}`, sentAt: this.serverTime },
      requestId,
    );
  }
}

let isThere = false;
const clients: BaseClient<"fake">[] = [];

function life(storage: ClientStorage, gateway: FakeGateway) {
  const client = new BaseClient(
    {
      ...{ api: "http://api", deviceId: "phone", platform: "ios" as const, storage },
      credentials: { userId: "alice", password: "pw" },
    },
    { fake: { open: async () => gateway } },
  );
  clients.push(client);
  const shown = () =>
    viewOf(client)
      .messages(CHAT)
      .items.map(({ content, status }) => `${content} ${status}`);
  return { client, shown };
}

beforeEach(() => {
  isThere = false;
  jest.spyOn(globalThis, "fetch").mockImplementation(async (url) => {
    if (!isThere) throw new TypeError("fetch failed");
    if (String(url).endsWith("/v1/route")) {
      return Response.json({ gateways: [{ gatewayId: "g", ws: "ws://g", tcp: "g:1" }] });
    }
    return Response.json({ userId: "alice", accessToken: "a", refreshToken: "r", expiresIn: 3_600 });
  });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  jest.restoreAllMocks();
});

async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const outboxOf = async (storage: ClientStorage) => (await storage.keys()).filter((key) => key.startsWith("outbox/"));

test("a device that never connected shows and stores a message at once, also after a reload, and sends it once", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  const first = life(storage, gateway);
  viewOf(first.client);
  first.client.connect().catch(() => {});
  await viewOf(first.client).restored;
  first.client.send("u:bob", "one").catch(() => {});
  first.client.send("u:bob", "two").catch(() => {});
  await until(async () => (await outboxOf(storage)).length === 2);
  expect(first.shown()).toEqual(["one sending", "two sending"]);
  await first.client.close();
  const second = life(storage, gateway);
  await viewOf(second.client).restored;
  expect(second.shown()).toEqual(["one sending", "two sending"]);
  isThere = true;
  await second.client.connect();
  await until(async () => (await outboxOf(storage)).length === 0);
  expect(gateway.taken.map(({ content }) => content)).toEqual(["one", "two"]);
});

test("a message is kept that was written before `connect` is called", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  isThere = true;
  const { client } = life(storage, gateway);
  const sent = client.send("u:bob", "early");
  await until(async () => (await outboxOf(storage)).length === 1);
  await client.connect();
  expect(await sent).toMatchObject({ seq: 1 });
});

test("a device whose clock is hours ahead dates ids by an earlier run's offset, or by the server before it sends", async () => {
  const serverTime = Date.now() - 3 * 3_600_000;
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(serverTime)];
  const first = life(storage, gateway);
  const redated: unknown[] = [];
  first.client.on("redated", (ids) => void redated.push(ids));
  const sent = first.client.send("u:bob", "from the future");
  isThere = true;
  await first.client.connect();
  const { clientMsgId } = await sent;
  expect(Math.abs(uuidv7Time(clientMsgId) - serverTime)).toBeLessThan(60_000);
  expect(redated).toHaveLength(1);
  await first.client.close();
  isThere = false;
  const second = life(storage, gateway);
  second.client.send("u:bob", "offline").catch(() => {});
  await until(async () => (await outboxOf(storage)).length === 1);
  const [key] = (await outboxOf(storage)) as [string];
  expect(Math.abs(uuidv7Time(key.slice("outbox/".length)) - serverTime)).toBeLessThan(60_000);
});

test("log-out revokes the session and leaves nothing in the storage", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  isThere = true;
  const { client } = life(storage, gateway);
  await client.connect();
  await client.send("u:bob", "hello");
  await client.logOut();
  expect(jest.mocked(fetch).mock.calls.map(([url, init]) => `${init?.method} ${url}`)).toContain(
    "DELETE http://api/v1/sessions/current",
  );
  expect([await storage.keys(), client.state.name]).toEqual([[], "closed"]);
});

test("log-out without a network leaves nothing either, and the app learns that the server does not know", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  isThere = true;
  const { client } = life(storage, gateway);
  await client.connect();
  isThere = false;
  await expect(client.devices.logOut("current")).rejects.toMatchObject({ name: "UNAVAILABLE" });
  expect([await storage.keys(), client.state.name]).toEqual([[], "closed"]);
});

test("the client does not give up in a network that answers every request with a page of its own", async () => {
  const answers = [() => new Response("<html>pay first</html>"), () => Response.json({ hello: "portal" })];
  const real = jest.mocked(fetch).getMockImplementation()!;
  jest.mocked(fetch).mockImplementation(async (...request) => answers.shift()?.() ?? real(...request));
  isThere = true;
  const { client } = life(new MemoryStorage(), new FakeGateway(Date.now()));
  await client.connect();
  expect([client.state.name, answers.length]).toEqual(["online", 0]);
});

test("a wrong address is reported at once", async () => {
  for (const api of ["", "api.example.org", "htp://x", "http://", "http://host:99999"]) {
    const client = new BaseClient(
      { api, deviceId: "d", platform: "web", token: "t" },
      { fake: { open: () => Promise.reject(new Error("never asked")) } },
    );
    await expect(client.connect()).rejects.toMatchObject({ name: "BAD_PAYLOAD" });
  }
});

test("a closed client refuses calls at once, stores nothing and does not log in again", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  isThere = true;
  const { client } = life(storage, gateway);
  await client.connect();
  const { clientMsgId } = await client.send("u:bob", "before");
  await client.logOut().catch(() => {});
  const closed = { name: "UNAVAILABLE" };
  await expect(client.send("u:bob", { content: "after", clientMsgId })).rejects.toMatchObject(closed);
  await expect(client.send("u:bob", "after")).rejects.toMatchObject(closed);
  await expect(client.markRead(CHAT, 1)).rejects.toMatchObject(closed);
  await expect(client.friends.list()).rejects.toMatchObject(closed);
  expect(await storage.keys()).toEqual([]);
});

test("the client refuses a malformed message before it is sent, and the connection stays open", async () => {
  const [storage, gateway] = [new MemoryStorage(), new FakeGateway(Date.now())];
  isThere = true;
  const { client } = life(storage, gateway);
  await client.connect();
  const malformed = { name: "BAD_PAYLOAD" };
  await expect(client.send("u:bob", "\u00e4".repeat(8_193))).rejects.toMatchObject(malformed);
  await expect(client.send("u:bob", "")).rejects.toMatchObject(malformed);
  await expect(client.send("bob" as "u:bob", "to nobody")).rejects.toMatchObject(malformed);
  await expect(client.markRead(CHAT, Number.NaN)).rejects.toMatchObject(malformed);
  // A message larger than a frame rejects only its own promise, also when the connection ends.
  const large = client.core.ask(Command.SEND, { content: "x".repeat(70_000) });
  await expect(large).rejects.toMatchObject({ name: "FRAME_TOO_LARGE" });
  await client.send("u:bob", "\u00e4".repeat(8_192));
  await client.close();
  expect(gateway.taken).toHaveLength(1);
});

test("the client names an unknown transport and missing credentials", async () => {
  const options = { api: "http://api", deviceId: "phone", platform: "ios" as const };
  const credentials = { userId: "alice", password: "pw" };
  const transports = { fake: { open: async () => new FakeGateway(0) } };
  for (const transport of ["udp", {}, 5, null]) {
    const wrong = { ...options, credentials, transport } as never;
    expect(() => new BaseClient(wrong, transports)).toThrow("transport: must be fake, or have open()");
  }
  const nobody = new BaseClient(options as never, transports);
  await expect(nobody.connect()).rejects.toThrow("no credentials, session or token was given");
});

test.each<[string, object]>([
  ["api", { api: 5 }],
  ["deviceId", { deviceId: undefined }],
  ["userId", { credentials: {} }],
  ["userId", { credentials: undefined, session: { accessToken: "x" } }],
  ["token", { credentials: undefined, token: 5 }],
  ["storage", { storage: {} }],
])("a wrong %s is named when the client is created: %j", (name, change) => {
  const right = { api: "http://api", deviceId: "phone", platform: "ios", credentials: { userId: "alice" } };
  const transports = { fake: { open: async () => new FakeGateway(0) } };
  const create = () => new BaseClient({ ...right, ...change } as never, transports);
  expect(create).toThrow(expect.objectContaining({ name: "BAD_PAYLOAD", message: expect.stringContaining(name) }));
});
