/** A device that was away gets the events that it missed: in order, once, at any gateway and over any transport. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

async function say(client: RawClient, to: Person, content: string): Promise<{ seq: number; conversationId: string }> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload;
}

const contents = (client: RawClient) => client.events.map(({ event }) => event["content"]);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);

test("a device with a cursor gets the rest by replay, then live ones", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await cluster.online(alice, "tcp");
  const before = await cluster.online(bob, "ws");
  await say(a, bob, "1");
  await before.until("the first", () => before.events.length === 1);
  const deliver = before.frames.find(({ command }) => command === Command.DELIVER)!;
  const cursor = { epoch: deliver.payload.epoch, seq: 1 };
  before.destroy();
  for (const content of numbers(2, 150)) await say(a, bob, content);
  const after = await cluster.online(bob, "json", { inbox: cursor });
  await say(a, bob, "151");
  await after.until("all", () => after.events.length >= 150);
  expect(contents(after)).toEqual(numbers(2, 151));
  expect(after.events.map(({ inboxSeq }) => inboxSeq)).toEqual(Array.from({ length: 150 }, (_, i) => i + 2));
  a.close();
  after.close();
});

test("for a device without a cursor, the server's memory of RECEIVED counts", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await cluster.online(alice, "tcp");
  const before = await cluster.online(bob, "tcp");
  for (const content of numbers(1, 5)) await say(a, bob, content);
  await before.until("five", () => before.events.length === 5);
  const { epoch } = before.frames.find(({ command }) => command === Command.DELIVER)!.payload;
  before.send(Command.RECEIVED, { epoch, inboxSeq: 3 });
  const delivered = await a.nextOf(Command.DELIVERED_UPDATE);
  expect(delivered.payload).toMatchObject({ userId: bob.userId, seq: 3 });
  before.destroy();
  const [gateway] = await cluster.route(bob);
  expect(gateway).toBeDefined();
  const after = await cluster.online(bob, "ws");
  await after.until("the rest", () => after.events.length === 2);
  expect(contents(after)).toEqual(["4", "5"]);
  a.close();
  after.close();
});

test("the answer to CONNECT names the next step: none, replay, resync", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await cluster.online(alice, "tcp");
  const resumeOf = async (extra: object) => {
    const client = await cluster.online(bob, "ws", { ...extra });
    const { payload } = client.frames.find(({ command }) => command === Command.CONNECTED)!;
    client.destroy();
    return payload as { resume: string; inbox: { epoch: string; seq: number } };
  };
  const fresh = await resumeOf({});
  expect(fresh).toMatchObject({ resume: "none", inbox: { seq: 0 } });
  await say(a, bob, "1");
  const { epoch } = fresh.inbox;
  expect(await resumeOf({ inbox: { epoch, seq: 0 } })).toMatchObject({ resume: "replay", inbox: { seq: 1 } });
  expect(await resumeOf({ inbox: { epoch, seq: 1 } })).toMatchObject({ resume: "none" });
  expect(await resumeOf({ inbox: { epoch, seq: 2 } })).toMatchObject({ resume: "resync" });
  expect(await resumeOf({ inbox: { epoch: "another", seq: 1 } })).toMatchObject({ resume: "resync" });
  const tablet = await cluster.device(bob, "tablet");
  const client = await cluster.online(tablet, "ws");
  expect(client.frames[0]!.payload.resume).toBe("resync");
  client.close();
  a.close();
});

test("PULL gives the history in both directions, with everything that was SENT before", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await cluster.online(alice, "tcp");
  let conversationId = "";
  for (const content of numbers(1, 70)) ({ conversationId } = await say(a, bob, content));
  const pull = async (payload: object) => {
    const answer = await a.request(Command.PULL, { conversationId, ...payload });
    expect(answer.command).toBe(Command.PULLED);
    return { ...answer.payload, contents: answer.payload.events.map((event: { content: string }) => event.content) };
  };
  expect(await pull({ fromSeq: 1 })).toMatchObject({ contents: numbers(1, 50), lastSeq: 70, more: true });
  expect(await pull({ fromSeq: 51 })).toMatchObject({ contents: numbers(51, 70), lastSeq: 70, more: false });
  expect(await pull({ fromSeq: 70, backwards: true, limit: 64 })).toMatchObject({
    contents: numbers(7, 70),
    more: true,
  });
  expect(await pull({ fromSeq: 10, toSeq: 12 })).toMatchObject({ contents: numbers(10, 12), more: false });
  expect(await pull({ fromSeq: 71 })).toMatchObject({ contents: [], lastSeq: 70, more: false });
  const carol = await cluster.person("carol");
  const c = await cluster.online(carol, "ws");
  for (const id of [conversationId, `p:${carol.userId}:zzz`].sort()) {
    const answer = await c.request(Command.PULL, { conversationId: id, fromSeq: 1 });
    expect(answer).toMatchObject({ command: Command.ERROR, payload: { name: "NO_SUCH_CONVERSATION" } });
  }
  c.close();
  a.close();
});

test("SYNC lists the conversations, HTTP the history", async () => {
  const [alice, bob, carol] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("carol"),
  ];
  const a = await cluster.online(alice, "json");
  await say(a, bob, "to bob");
  // Two workers may number these: their clocks agree to some ms only, and the list is in order of time.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { conversationId } = await say(a, carol, "to carol");
  await a.request(Command.PULL, { conversationId, fromSeq: 1 });
  const synced = await a.request(Command.SYNC, {});
  expect(synced.command).toBe(Command.SYNCED);
  expect(synced.payload).toMatchObject({ inbox: { seq: 2 }, relations: [], groups: [], more: false });
  expect(synced.payload.conversations.map((row: { preview: { text: string } }) => row.preview.text)).toEqual([
    "to carol",
    "to bob",
  ]);
  const history = await cluster.http("GET", `/v1/conversations/${conversationId}/messages`, { token: carol.token });
  expect(history).toMatchObject({ status: 200, body: { conversationId, lastSeq: 1, more: false } });
  expect(history.body.messages.map((event: { content: string }) => event.content)).toEqual(["to carol"]);
  a.close();
});

test("READ moves the marks: the peer and the other devices are told", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const other = await cluster.online(await cluster.device(bob, "tablet"), "json");
  const { conversationId } = await say(a, bob, "read me");
  expect((await b.request(Command.READ, { conversationId, seq: 99 })).command).toBe(Command.OK);
  const told = { conversationId, userId: bob.userId, seq: 1 };
  expect((await a.nextOf(Command.READ_UPDATE)).payload).toEqual(told);
  expect((await other.nextOf(Command.READ_UPDATE)).payload).toEqual(told);
  for (const client of [a, b, other]) client.close();
});
