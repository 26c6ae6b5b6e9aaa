/** Recalling a message: the users who may, the users who hear of it, and that its content is gone everywhere. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { createPool, type Pool } from "mysql2/promise";

const WINDOW_SECONDS = 600;
const SECRET = "what nobody should read";

let cluster: TestCluster;
let pool: Pool;
beforeAll(async () => {
  cluster = await startTestCluster({ env: { CARILLON_RECALL_WINDOW_SECONDS: String(WINDOW_SECONDS) } });
  pool = createPool({ uri: cluster.info().mysql.url });
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await cluster?.stop();
}, 60_000);

const pair = async () => [await cluster.person("alice"), await cluster.person("bob")] as const;

const send = async (client: RawClient, to: string, content: string) => {
  const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload as { seq: number; conversationId: string; clientMsgId: string };
};

/** Asks until there is a verdict: a message can be taken back as soon as it is archived. */
async function recall(client: RawClient, conversationId: string, targetSeq: number, clientMsgId = uuidv7(Date.now())) {
  return until("a verdict", async () => {
    const { command, payload } = await client.request(Command.RECALL, { clientMsgId, conversationId, targetSeq });
    if (payload.name === "BUSY") return undefined;
    return command === Command.SENT ? `SENT ${payload.seq}` : (payload.name as string);
  });
}

const history = async (person: Person, conversationId: string) =>
  (await cluster.http("GET", `/v1/conversations/${conversationId}/messages`, { token: person.token })).body.messages;

test("a recall reaches all members in order, also members who were away, and the content is gone", async () => {
  const [alice, bob] = await pair();
  const a = await cluster.online(alice, "tcp");
  // Bob is away; Bob's inbox has the message when it is recalled.
  const { seq, conversationId, clientMsgId } = await send(a, `u:${bob.userId}`, SECRET);
  await send(a, `u:${bob.userId}`, "and another");
  expect(await recall(a, conversationId, seq)).toBe("SENT 3");
  await a.until("the recall", () => a.events.some(({ event }) => event["kind"] === "recall"));
  const b = await cluster.online(bob, "tcp", { inbox: undefined });
  const page = async (person: Person) =>
    (await history(person, conversationId)).map((event: Record<string, unknown>) => [
      event["seq"],
      event["kind"],
      event["content"],
      event["targetSeq"],
    ]);
  const expected = [
    [1, "message", undefined, undefined],
    [2, "message", "and another", undefined],
    [3, "recall", undefined, 1],
  ];
  await until("archived", async () => (await page(bob)).length === 3);
  expect(await page(bob)).toEqual(expected);
  const pulled = await b.request(Command.PULL, { conversationId, fromSeq: 1 });
  expect(pulled.payload.events[0]).not.toHaveProperty("content");
  const [rows] = await pool.query("SELECT COUNT(*) AS found FROM messages WHERE content = ?", [SECRET]);
  expect(rows).toEqual([{ found: 0 }]);
  const { body } = await cluster.http("GET", "/v1/conversations", { token: bob.token });
  expect(body.items[0].preview.text).toBe("and another");
  // A repeat of the message is known still, and gives nothing away.
  const again = { clientMsgId, to: `u:${bob.userId}`, contentType: "text", content: SECRET };
  expect((await a.request(Command.SEND, again)).payload).toMatchObject({ seq: 1, duplicate: true });
  for (const client of [a, b]) client.close();
});

test("an inbox that is read later has the number, and not the content", async () => {
  const [alice, bob] = await pair();
  const b = await cluster.online(bob, "tcp");
  const a = await cluster.online(alice, "tcp");
  await send(a, `u:${bob.userId}`, "the first");
  await b.until("the first", () => b.events.length === 1);
  const { epoch } = b.frames.find(({ command }) => command === Command.DELIVER)!.payload;
  b.close();
  await b.until("closed", () => b.isClosed);
  const { seq, conversationId } = await send(a, `u:${bob.userId}`, SECRET);
  expect(await recall(a, conversationId, seq)).toBe("SENT 3");
  await a.until("the recall", () => a.events.some(({ event }) => event["kind"] === "recall"));
  const later = await cluster.online(bob, "tcp", { inbox: { epoch, seq: 1 } });
  await later.until("both events", () => later.events.length === 2);
  expect(later.events.map(({ inboxSeq, event }) => [inboxSeq, event["seq"], event["kind"], event["content"]])).toEqual([
    [2, 2, "message", undefined],
    [3, 3, "recall", undefined],
  ]);
  for (const client of [a, later]) client.close();
});

test("the sender in time and admins of a group may recall, nobody else", async () => {
  const [alice, bob] = await pair();
  const [a, b] = [await cluster.online(alice, "ws"), await cluster.online(bob, "json")];
  const { seq, conversationId } = await send(a, `u:${bob.userId}`, "mine");
  expect(await recall(b, conversationId, seq)).toBe("RECALL_NOT_ALLOWED");
  expect(await recall(a, conversationId, 99)).toBe("NO_SUCH_MESSAGE");
  expect(await recall(a, `p:x:y`, 1)).toBe("NO_SUCH_CONVERSATION");
  const id = uuidv7(Date.now());
  expect(await recall(a, conversationId, seq, id)).toBe("SENT 2");
  expect(await recall(a, conversationId, seq, id)).toBe("SENT 2");
  await until("archived", async () => (await history(alice, conversationId)).length === 2);
  expect(await recall(a, conversationId, seq)).toBe("RECALL_NOT_ALLOWED");

  const old = await send(a, `u:${bob.userId}`, "long ago");
  await until("archived", async () => (await history(alice, conversationId)).length === 3);
  const longAgo = Date.now() - (WINDOW_SECONDS + 1) * 1_000;
  await pool.query("UPDATE messages SET sent_at = ? WHERE conversation = ? AND seq = ?", [
    longAgo,
    conversationId,
    old.seq,
  ]);
  expect(await recall(a, conversationId, old.seq)).toBe("RECALL_TOO_LATE");

  const carl = await cluster.person("carl");
  const c = await cluster.online(carl, "tcp");
  const made = await cluster.http("POST", "/v1/groups", {
    token: alice.token,
    body: { name: "group", joinPolicy: "invite", members: [bob.userId, carl.userId] },
  });
  const group = `g:${made.body.groupId}`;
  const said = await send(b, group, "in the group");
  expect(await recall(c, group, said.seq)).toBe("RECALL_NOT_ALLOWED");
  expect(await recall(a, group, said.seq)).toMatch("SENT");
  for (const client of [a, b, c]) {
    await client.until("the recall", () =>
      client.events.some(({ event }) => event["conversationId"] === group && event["kind"] === "recall"),
    );
  }
  const mallory = await cluster.person("mallory");
  const m = await cluster.online(mallory, "tcp");
  expect(await recall(m, group, said.seq)).toBe("NOT_A_MEMBER");
  for (const client of [a, b, c, m]) client.close();
});
