/** The SDK against a real cluster: chat, absence, a gateway that dies, tokens, close codes. */
import { uuidv7 } from "@carillon/base";
import {
  CarillonClient,
  type ClientOptions,
  type ClientState,
  type Event,
  type Transport,
  tcpTransport,
} from "@carillon/client";
import { CloseCode } from "@carillon/protocol";
import { PASSWORD, type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";

let cluster: TestCluster;
const clients: CarillonClient[] = [];
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(() => cluster?.stop(), 60_000);

type Extra = Partial<ClientOptions<"ws" | "tcp">>;

/** Creates a client that keeps the events that it shows. */
function clientOf(person: Person, extra: Extra = {}): CarillonClient & { shown: Event[]; states: ClientState[] } {
  const { userId, deviceId } = person;
  const options = { api: cluster.info().api, platform: "other", deviceId, credentials: { userId, password: PASSWORD } };
  const client = new CarillonClient({ ...options, ...extra } as ClientOptions<"ws" | "tcp">);
  const [shown, states]: [Event[], ClientState[]] = [[], []];
  client.on("message", (event) => void shown.push(event));
  client.on("state", (state) => void states.push(state));
  clients.push(client);
  return Object.assign(client, { shown, states });
}

async function online(person: Person, extra: Extra = {}) {
  const client = clientOf(person, extra);
  await client.connect();
  return client;
}

const contents = (client: { shown: Event[] }) => client.shown.map(({ content }) => content);
const gatewayOf = ({ state }: CarillonClient) => (state.name === "online" ? state.gatewayId : undefined);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);

test.each([
  ["ws", "tcp"],
  ["tcp", "ws"],
] as const)("two people chat over %s and %s; receipts come", async (one, other) => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await online(alice, { transport: one }), await online(bob, { transport: other })];
  const receipts: object[] = [];
  a.on("receipt", (receipt) => void receipts.push(receipt));
  const sent = await a.send(`u:${bob.userId}`, "hello");
  expect(sent).toMatchObject({ seq: 1 });
  await until("the message", () => b.shown.length === 1);
  await until("the first mark", () => receipts.length === 1);
  await b.markRead(sent.conversationId, 1);
  await b.send(`u:${alice.userId}`, { contentType: "custom", content: "{}" });
  await until("the reply", () => a.shown.length === 2);
  expect(a.shown.map(({ seq, senderId, contentType }) => [seq, senderId, contentType])).toEqual([
    [1, alice.userId, "text"],
    [2, bob.userId, "custom"],
  ]);
  const { conversationId } = sent;
  await until("both marks", () => receipts.length >= 2);
  expect(receipts).toContainEqual({ kind: "delivered", conversationId, userId: bob.userId, seq: 1 });
  expect(receipts).toContainEqual({ kind: "read", conversationId, userId: bob.userId, seq: 1 });
  expect((await a.history(conversationId)).messages.map(({ seq }) => seq)).toEqual([1, 2]);
  expect((await a.history(conversationId, { before: 2, limit: 1 })).messages).toMatchObject([{ content: "hello" }]);
  expect((await b.conversations()).map((row) => row.conversationId)).toEqual([conversationId]);
  expect((await b.pull({ conversationId, fromSeq: 2 })).events).toMatchObject([{ seq: 2 }]);
});

test("both devices of a user get everything, messages() streams it", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const tablet = await online({ ...alice, deviceId: "tablet" }, { transport: "tcp" });
  const b = await online(bob);
  const stream = tablet.messages();
  const first = stream.next();
  await a.send(`u:${bob.userId}`, "from the phone");
  await b.send(`u:${alice.userId}`, "to both");
  expect((await first).value).toMatchObject({ content: "from the phone" });
  expect((await stream.next()).value).toMatchObject({ content: "to both" });
  for (const client of [a, tablet, b]) {
    await until("both", () => client.shown.length === 2);
    expect(contents(client)).toEqual(["from the phone", "to both"]);
  }
  const end = stream.next();
  await tablet.close();
  expect(await end).toEqual({ done: true, value: undefined });
});

test("a device that was away gets the events that it missed in order, also as a new process that knows nothing", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice, { transport: "tcp" });
  const before = await online(bob);
  await a.send(`u:${bob.userId}`, "1");
  await until("the first", () => before.shown.length === 1);
  const acknowledged = new Promise((resolve) => a.on("receipt", resolve));
  await acknowledged;
  await before.close();
  await Promise.all(numbers(2, 150).map((content) => a.send(`u:${bob.userId}`, content)));
  const after = await online(bob);
  await until("the rest", () => after.shown.length === 149);
  expect(contents(after)).toEqual(numbers(2, 150));
});

test("a device that cannot be told by replay gets all conversations", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const { conversationId } = await a.send(`u:${bob.userId}`, "before the tablet was bought");
  const tablet = clientOf({ ...bob, deviceId: "tablet" });
  const resynced = new Promise((resolve) => tablet.on("resync", resolve));
  await tablet.connect();
  expect(await resynced).toMatchObject([{ conversationId, lastSeq: 1 }]);
  await a.send(`u:${bob.userId}`, "live");
  await until("the live one", () => tablet.shown.length === 1);
  expect(contents(tablet)).toEqual(["live"]);
});

test("a repeated message is recognised, another text under its id is refused", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const message = { content: "once", clientMsgId: uuidv7(Date.now()) };
  const first = await a.send(`u:${bob.userId}`, message);
  expect(await a.send(`u:${bob.userId}`, message)).toEqual({ ...first, duplicate: true });
  const failed = new Promise((resolve) => a.on("failed", resolve));
  await expect(a.send(`u:${bob.userId}`, { ...message, content: "twice" })).rejects.toMatchObject({ name: "CONFLICT" });
  expect(await failed).toMatchObject({ message: { content: "twice" }, error: { name: "CONFLICT" } });
  await expect(a.send("u:nobody-at-all", "hello?")).rejects.toMatchObject({ name: "NO_SUCH_USER" });
  expect(await a.send(`u:${bob.userId}`, "next")).toMatchObject({ seq: 2 });
});

test("the gateway of both is killed while they write: nothing is lost, doubled or out of order", async () => {
  const alice = await cluster.person("alice");
  const a = await online(alice, { transport: "tcp" });
  let bob = await cluster.person("bob");
  while ((await cluster.route(bob))[0]!.gatewayId !== gatewayOf(a)) bob = await cluster.person("bob");
  const b = await online(bob);
  const home = cluster.info().gateways.find(({ nodeId }) => nodeId === gatewayOf(a))!;
  const sent: Promise<{ seq: number }>[] = [];
  for (let i = 1; i <= 300; i++) {
    sent.push(a.send(`u:${bob.userId}`, `${i}`));
    if (i === 150) process.kill(home.pid, "SIGKILL");
    if (i % 10 === 0) await Promise.race([Promise.all(sent), new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  for (const client of [a, b]) {
    await until("all", () => client.shown.length >= 300);
    expect(contents(client)).toEqual(numbers(1, 300));
  }
  expect(a.states.some(({ name }) => name === "waiting")).toBe(true);
  await until("the gateway", () =>
    cluster.info().gateways.some(({ nodeId, pid }) => nodeId === home.nodeId && pid !== home.pid),
  );
});

test("GOAWAY is followed: from the wrong gateway, and make-before-break when one joins the ring", async () => {
  const person = await cluster.person("carol");
  await until("both gateways on the ring", async () => (await cluster.route(person)).length === 2);
  const opened: string[] = [];
  const confused: Transport = {
    open: async (address, timeoutMs) => {
      const others = cluster.info().gateways.filter(({ nodeId }) => nodeId !== address.gatewayId);
      const other = opened.length === 0 ? others[0]! : { nodeId: address.gatewayId, ...address };
      opened.push(other.nodeId);
      return tcpTransport.open({ gatewayId: other.nodeId, ws: other.ws, tcp: other.tcp }, timeoutMs);
    },
  };
  const home = (await cluster.route(person))[0]!.gatewayId;
  const c = await online(person, { transport: confused });
  expect([opened.length, opened[1], gatewayOf(c)]).toEqual([2, home, home]);
  // A third gateway takes over a part of the ring; somebody of these belongs to it.
  const people = await Promise.all(Array.from({ length: 12 }, () => cluster.person("dave")));
  const writers = await Promise.all(people.map((one) => online(one, { transport: "ws" })));
  const added = await cluster.running.addNode("gateway");
  await until("somebody to move", () => writers.some((one) => gatewayOf(one) === added));
  const moved = writers.find((one) => gatewayOf(one) === added)!;
  expect(moved.states.map(({ name }) => name)).not.toContain("waiting");
  expect(await c.send(`u:${people[writers.indexOf(moved)]!.userId}`, "still there?")).toMatchObject({ seq: 1 });
  await until("the message", () => moved.shown.length === 1);
});

test("the same device elsewhere ends this client for good; a wrong password is told at once", async () => {
  const alice = await cluster.person("alice");
  const first = await online(alice);
  const second = await online(alice);
  await until("the end of the first", () => first.state.name === "closed");
  expect(first.state).toMatchObject({ error: { code: CloseCode.REPLACED } });
  expect(second.state.name).toBe("online");
  await expect(first.send(`u:${alice.userId}`, "x")).rejects.toMatchObject({ name: "UNAVAILABLE" });
  const wrong = clientOf(alice, { credentials: { userId: alice.userId, password: "not the password" } } as Extra);
  await expect(wrong.connect()).rejects.toMatchObject({ name: "NOT_AUTHENTICATED" });
});

test("a refused token is exchanged: by the app's function, or by the refresh token", async () => {
  const alice = await cluster.person("alice");
  const tokens = ["expired or forged", alice.token];
  const asked: string[] = [];
  const token = async () => {
    asked.push(tokens[Math.min(asked.length, 1)]!);
    return asked.at(-1)!;
  };
  const client = await online(alice, { credentials: undefined, token } as Extra);
  expect(asked).toEqual(tokens);
  expect(client.state.name).toBe("online");
  const text = clientOf(alice, { credentials: undefined, token: "forged" } as Extra);
  await expect(text.connect()).rejects.toMatchObject({ retry: "after-auth" });
});
