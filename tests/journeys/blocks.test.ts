/** A blocked user sees the same as of a user who is away. A user who has left a group sees its state at the end of their stay. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs } from "./fixtures/member";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster({ env: { CARILLON_POLICY_PRESENCE: "everybody" } });
}, 180_000);

afterAll(() => cluster.stop(), 60_000);

const call = (person: Person, method: string, where: string, body?: object) =>
  callAs(cluster, { person }, method, where, body);

async function someone(name: string): Promise<[Person, RawClient]> {
  const person = await cluster.person(name);
  return [person, await cluster.online(person, "tcp")];
}

/** Sends until the message is taken: a worker that is slow at first says BUSY. */
async function say(client: RawClient, to: string, content: string): Promise<number> {
  const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
  return until("it is taken", async () => {
    const answer = await client.request(Command.SEND, payload);
    if (answer.command === Command.SENT) return answer.payload.seq as number;
    expect(answer.payload.name).toBe("BUSY");
    return undefined;
  });
}

const read = (client: RawClient, conversationId: string, seq: number) =>
  client.request(Command.READ, { conversationId, seq });
const updates = (client: RawClient, command: number, userId: string): number[] =>
  client.frames
    .filter((frame) => frame.command === command && frame.payload.userId === userId)
    .map(({ payload }) => payload.seq);
const presenceOf = async (who: Person, { userId }: Person) =>
  (await call(who, "GET", `/v1/presence?ids=${userId}`)).body.items[0];

test("marks and the time of the last visit stay where they were, and go on when the block is lifted", async () => {
  const [[alice, a], [bob, b], [carl, c]] = (await Promise.all(["alice", "bob", "carl"].map(someone))) as [
    [Person, RawClient],
    [Person, RawClient],
    [Person, RawClient],
  ];
  const conversationId = `p:${[alice.userId, bob.userId].sort().join(":")}`;
  const row = async (who: Person) => (await call(who, "GET", `/v1/conversations/${conversationId}`)).body;
  for (let i = 1; i <= 3; i++) expect(await say(a, `u:${bob.userId}`, `${i}`)).toBe(i);
  await b.until("Bob has the events", () => b.events.length === 3);
  await read(b, conversationId, 1);
  await until("alice sees it", async () => updates(a, Command.READ_UPDATE, bob.userId).includes(1));
  await until("it is kept", async () => (await row(alice)).peerReadSeq === 1);
  expect(await say(c, `u:${bob.userId}`, "hello")).toBe(1);
  // Bob is away at the time of the block, so Alice keeps seeing Bob's state of that time.
  b.send(Command.DISCONNECT);
  await b.closed();
  await until("Bob is seen as away", async () => !(await presenceOf(alice, bob)).online);
  await until("when Bob was seen is kept", async () => (await presenceOf(alice, bob)).lastSeenAt > 0);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const before = { ...(await presenceOf(alice, bob)), marks: (await row(alice)).peerReadSeq };
  const delivered = (await row(alice)).peerDeliveredSeq;
  expect((await call(bob, "PUT", `/v1/blocks/${alice.userId}`)).status).toBe(204);
  const back = await cluster.online(bob, "tcp");
  await read(back, conversationId, 3);
  expect((await call(carl, "GET", `/v1/presence?ids=${bob.userId}`)).body.items[0].online).toBe(true);
  await until("Bob's own devices know it", async () => (await row(bob)).readSeq === 3);
  // Carl's notices came after those that Alice would have got.
  await read(back, `p:${[bob.userId, carl.userId].sort().join(":")}`, 1);
  await until("carl sees it", async () => updates(c, Command.READ_UPDATE, bob.userId).includes(1));
  expect({ ...(await presenceOf(alice, bob)), marks: (await row(alice)).peerReadSeq }).toEqual(before);
  expect((await row(alice)).peerDeliveredSeq).toBe(delivered);
  expect(updates(a, Command.READ_UPDATE, bob.userId)).toEqual([1]);
  const readers = (await call(alice, "GET", `/v1/conversations/${conversationId}/messages/3/readers`)).body.items;
  expect(readers).toEqual([]);
  const synced = await a.request(Command.SYNC, {});
  const synchronised = synced.payload.conversations.find(
    (one: { conversationId: string }) => one.conversationId === conversationId,
  );
  expect(synchronised).toMatchObject({ peerReadSeq: 1, peerDeliveredSeq: delivered });
  expect(Object.keys(synchronised)).not.toContain("isHeld");
  await call(bob, "DELETE", `/v1/blocks/${alice.userId}`);
  expect((await row(alice)).peerReadSeq).toBe(3);
  expect((await presenceOf(alice, bob)).online).toBe(true);
  for (const client of [a, back, c]) client.close();
}, 120_000);

test("a refusal has one of two reasons: friends only, or blocked", async () => {
  const [[alice, a], [bob, b], [carl, c]] = (await Promise.all(["alice", "bob", "carl"].map(someone))) as [
    [Person, RawClient],
    [Person, RawClient],
    [Person, RawClient],
  ];
  const tries = async (client: RawClient, { userId }: Person) => {
    const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${userId}`, contentType: "text", content: "x" };
    return client.request(Command.SEND, payload);
  };
  expect((await call(bob, "PATCH", "/v1/users/me", { whoMayWrite: "friends" })).body.whoMayWrite).toBe("friends");
  await call(carl, "PUT", `/v1/blocks/${alice.userId}`);
  const refusals = await until("both are judged", async () => {
    const answers = [await tries(a, bob), await tries(a, carl)].map(({ payload }) => payload);
    return answers.some(({ name }) => name === "BUSY") ? undefined : answers;
  });
  expect(refusals[0]).toEqual(refusals[1]);
  expect(refusals[0].name).toBe("NOT_FRIENDS");
  // Bob writes to anybody, and Bob's friends write to Bob.
  expect(await say(b, `u:${alice.userId}`, "hello")).toBe(1);
  await call(alice, "POST", "/v1/friend-requests", { userId: bob.userId });
  await call(bob, "POST", `/v1/friend-requests/${alice.userId}/accept`);
  expect(await say(a, `u:${bob.userId}`, "hello")).toBe(2);
  for (const client of [a, b, c]) client.close();
});

test("a user who was removed from a group sees its numbers and readers as of the end of their stay", async () => {
  const [[anna, a], [bert, b], [carl, c]] = (await Promise.all(["anna", "bert", "carl"].map(someone))) as [
    [Person, RawClient],
    [Person, RawClient],
    [Person, RawClient],
  ];
  const members = [bert.userId, carl.userId];
  const { groupId } = (await call(anna, "POST", "/v1/groups", { name: "choir", joinPolicy: "invite", members })).body;
  const conversationId = `g:${groupId}`;
  expect(await say(a, conversationId, "before")).toBe(2);
  await b.until("Bob has the event", () => b.events.some(({ event }) => event["seq"] === 2));
  await read(a, conversationId, 2);
  const readers = async (who: Person) =>
    (await call(who, "GET", `/v1/conversations/${conversationId}/messages/1/readers`)).body.items.map(
      ({ userId }: Person) => userId,
    );
  await call(anna, "DELETE", `/v1/groups/${groupId}/members/${carl.userId}`);
  for (let seq = 4; seq <= 6; seq++) expect(await say(a, conversationId, `behind ${seq}`)).toBe(seq);
  await read(b, conversationId, 6);
  await until("bert has read it", async () => (await readers(anna)).includes(bert.userId));
  const pulled = await c.request(Command.PULL, { conversationId, fromSeq: 1 });
  expect([pulled.payload.lastSeq, pulled.payload.events.at(-1).seq, pulled.payload.more]).toEqual([3, 3, false]);
  const history = (await call(carl, "GET", `/v1/conversations/${conversationId}/messages`)).body;
  expect([history.lastSeq, history.messages.at(-1).seq]).toEqual([3, 3]);
  expect(await readers(carl)).not.toContain(bert.userId);
  for (const client of [a, b, c]) client.close();
});
