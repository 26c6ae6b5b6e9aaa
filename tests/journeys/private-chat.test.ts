/** Two people chat through different gateways, over every pair of transports. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import {
  type Person,
  type RawClient,
  type RawTransport,
  rawTransports,
  startTestCluster,
  type TestCluster,
} from "@carillon/testkit";

let cluster: TestCluster;
beforeAll(async () => {
  // Two people with twenty-five devices each are fifty senders.
  cluster = await startTestCluster({ env: { CARILLON_POLICY_MAX_DEVICES: "50" } });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const message = (to: Person, content: string, clientMsgId = uuidv7(Date.now())) => ({
  clientMsgId,
  to: `u:${to.userId}`,
  contentType: "text",
  content,
});

/** Returns two users for whom the ring chooses two different gateways. */
async function peopleApart(): Promise<[Person, Person]> {
  const first = await cluster.person("alice");
  const gatewayOf = async (person: Person) => (await cluster.route(person))[0]!.gatewayId;
  const home = await gatewayOf(first);
  while (true) {
    const second = await cluster.person("bob");
    if ((await gatewayOf(second)) !== home) return [first, second];
  }
}

const contents = (client: RawClient) => client.events.map(({ event }) => event["content"]);
const pairs = rawTransports.flatMap((a) => rawTransports.map((b) => [a, b] as [RawTransport, RawTransport]));

test.each(pairs)("a message goes from %s to %s and back", async (one, other) => {
  const [alice, bob] = await peopleApart();
  const [a, b] = [await cluster.online(alice, one), await cluster.online(bob, other)];
  const sent = await a.request(Command.SEND, message(bob, "hello"));
  expect(sent).toMatchObject({ command: Command.SENT, payload: { seq: 1 } });
  await b.until("the message", () => contents(b).includes("hello"));
  const reply = await b.request(Command.SEND, message(alice, "good morning"));
  expect(reply.payload).toMatchObject({ seq: 2, conversationId: sent.payload.conversationId });
  await a.until("the reply", () => contents(a).includes("good morning"));
  // Everybody, the sender too, gets every event of the conversation, in order, once.
  for (const client of [a, b]) {
    await client.until("both events", () => client.events.length === 2);
    expect(client.events.map(({ inboxSeq, event }) => [inboxSeq, event["seq"], event["senderId"]])).toEqual([
      [1, 1, alice.userId],
      [2, 2, bob.userId],
    ]);
    client.close();
  }
});

test("the two devices of a user are on one gateway, and both get all events, also those of each other", async () => {
  const [alice, bob] = await peopleApart();
  const tablet = await cluster.device(alice, "tablet");
  expect(await cluster.route(tablet)).toEqual(await cluster.route(alice));
  const [phone, second, b] = [
    await cluster.online(alice, "tcp"),
    await cluster.online(tablet, "ws"),
    await cluster.online(bob, "json"),
  ];
  await phone.request(Command.SEND, message(bob, "from the phone"));
  await b.request(Command.SEND, message(alice, "to both"));
  for (const client of [phone, second, b]) {
    await client.until("both events", () => client.events.length === 2);
    expect(contents(client)).toEqual(["from the phone", "to both"]);
    client.close();
  }
});

test("a message to oneself is one event", async () => {
  const alice = await cluster.person("alice");
  const a = await cluster.online(alice, "ws");
  const sent = await a.request(Command.SEND, message(alice, "note to self"));
  expect(sent.payload.conversationId).toBe(`p:${alice.userId}:${alice.userId}`);
  await a.until("the event", () => a.events.length === 1);
  await a.request(Command.SEND, message(alice, "another"));
  await a.until("the second event", () => a.events.length === 2);
  expect(a.events.map(({ inboxSeq }) => inboxSeq)).toEqual([1, 2]);
  a.close();
});

test("a repeated SEND gets the same number and `duplicate`, another text under the same id CONFLICT", async () => {
  const [alice, bob] = await peopleApart();
  const a = await cluster.online(alice, "tcp");
  const original = message(bob, "once");
  const first = (await a.request(Command.SEND, original)).payload;
  const again = (await a.request(Command.SEND, original)).payload;
  expect(again).toEqual({ ...first, duplicate: true });
  const other = await a.request(Command.SEND, { ...original, content: "twice" });
  expect(other).toMatchObject({ command: Command.ERROR, payload: { name: "CONFLICT" } });
  const b = await cluster.online(bob, "ws", { inbox: { epoch: "none", seq: 0 } });
  expect((await a.request(Command.SEND, message(bob, "next"))).payload.seq).toBe(2);
  a.close();
  b.close();
});

test("fifty senders at once into one conversation: 1..n without a hole, the same order for all", async () => {
  const [alice, bob] = await peopleApart();
  const devices = await Promise.all(
    Array.from({ length: 25 }, async (_, i) => [
      await cluster.device(alice, `a-${i}`),
      await cluster.device(bob, `b-${i}`),
    ]),
  );
  const clients = await Promise.all(
    devices.flat().map(async (device, i) => ({ device, client: await cluster.online(device, rawTransports[i % 4]!) })),
  );
  const answers = await Promise.all(
    clients.flatMap(({ device, client }, i) =>
      [1, 2, 3].map((n) =>
        client.request(Command.SEND, message(device.userId === alice.userId ? bob : alice, `${i}.${n}`)),
      ),
    ),
  );
  const seqs = answers.map(({ payload }) => payload.seq).sort((x, y) => x - y);
  expect(seqs).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  const orders = await Promise.all(
    clients.map(async ({ client }) => {
      await client.until("all events", () => client.events.length === 150);
      return client.events.map(({ event }) => `${event["seq"]} ${event["content"]}`).join();
    }),
  );
  expect(new Set(orders).size).toBe(1);
  for (const { client } of clients) client.close();
});

test("one connection's pipelined messages keep their order", async () => {
  const [alice, bob] = await peopleApart();
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  for (let i = 1; i <= 100; i++) a.send(Command.SEND, message(bob, `${i}`));
  await b.until("all", () => b.events.length === 100);
  expect(contents(b)).toEqual(Array.from({ length: 100 }, (_, i) => `${i + 1}`));
  a.close();
  b.close();
});

test("nobody writes to someone unknown", async () => {
  const alice = await cluster.person("alice");
  const a = await cluster.online(alice, "json");
  const answer = await a.request(Command.SEND, message({ ...alice, userId: "nobody-at-all" }, "hello?"));
  expect(answer).toMatchObject({ command: Command.ERROR, payload: { name: "NO_SUCH_USER" } });
  a.close();
});
