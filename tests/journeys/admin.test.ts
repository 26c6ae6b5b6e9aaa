/** Operators and other systems act over HTTP: keys, a look into the cluster, broadcasts. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { createPool, type Pool, type RowDataPacket } from "mysql2/promise";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(180_000);

let cluster: TestCluster;
let pool: Pool;
let operator: Person;
beforeAll(async () => {
  cluster = await startTestCluster();
  pool = createPool({ uri: cluster.info().mysql.url });
  operator = await cluster.person("operator");
  expect((await runCarillon(cluster, "users", "make-operator", operator.userId)).code).toBe(0);
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await cluster?.stop();
}, 60_000);

const call = (token: string, method: string, path: string, body?: object) =>
  cluster.http(method, path, body === undefined ? { token } : { token, body });

async function newKey(...scopes: string[]): Promise<{ id: string; key: string }> {
  const { status, body } = await call(operator.token, "POST", "/v1/admin/keys", { name: "a test", scopes });
  expect(status).toBe(201);
  return body;
}

async function say(from: Person, to: string, content: string) {
  const client = await cluster.online(from, "tcp");
  const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload as { conversationId: string; seq: number; messageId: string };
}

test("operators make, see and revoke keys; a key cannot make keys", async () => {
  const { id, key } = await newKey("users", "operations");
  expect((await call(key, "GET", "/v1/admin/users")).status).toBe(200);
  expect((await call(key, "POST", "/v1/admin/keys", { name: "x", scopes: ["users"] })).body.name).toBe("FORBIDDEN");
  const first = (await call(operator.token, "GET", "/v1/admin/keys?limit=1")).body;
  expect(first.items).toHaveLength(1);
  expect(first.items[0]).not.toHaveProperty("key");
  await newKey("users");
  const all = (await call(operator.token, "GET", "/v1/admin/keys")).body.items;
  const ofKey = (items: { id: string }[]) => items.find((one) => one.id === id);
  expect(ofKey(all)).toMatchObject({ id, name: "a test", scopes: ["users", "operations"] });
  for (let time = 1; time <= 2; time++) {
    expect((await call(operator.token, "DELETE", `/v1/admin/keys/${id}`)).status).toBe(204);
  }
  expect((await call(key, "GET", "/v1/admin/users")).body.name).toBe("TOKEN_REVOKED");
  expect((await call(operator.token, "DELETE", "/v1/admin/keys/nothing")).body.name).toBe("NOT_FOUND");
});

test("nodes, partitions, trace and audit give the same over HTTP as on the command line", async () => {
  const { key } = await newKey("operations");
  const nodes = (await call(key, "GET", "/v1/admin/nodes")).body.items as { nodeId: string; state: string }[];
  const expected = (await runCarillon(cluster, "nodes")).document.nodes as typeof nodes;
  expect(nodes.map(({ nodeId, state }) => [nodeId, state])).toEqual(expected.map((one) => [one.nodeId, one.state]));
  const { items } = (await call(key, "GET", "/v1/admin/partitions")).body;
  expect(items).toMatchObject([0, 1].map((partition) => ({ partition, owner: expect.any(String), answers: true })));

  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const { conversationId, messageId } = await say(alice, `u:${bob.userId}`, "where am I?");
  const trace = (message: string) => call(key, "GET", `/v1/admin/trace?message=${encodeURIComponent(message)}`);
  const { body } = await until("the inboxes are filled, and the archive", async () => {
    const answer = await trace(messageId);
    return answer.body.archived?.row && answer.body.fannedOut ? answer : undefined;
  });
  expect(body).toEqual((await runCarillon(cluster, "trace", messageId)).document);
  expect((await trace(`${conversationId}#99`)).body.name).toBe("NO_SUCH_MESSAGE");
  expect((await trace("what")).body.name).toBe("BAD_PAYLOAD");

  const audit = (id: string) => call(key, "GET", `/v1/admin/audit?conversationId=${encodeURIComponent(id)}`);
  expect(await audit(conversationId)).toMatchObject({
    status: 200,
    body: { ok: true, findings: [], checked: { conversations: 1, inboxes: 2 } },
  });
  await pool.query("UPDATE messages SET content = 'forged' WHERE conversation = ?", [conversationId]);
  expect((await audit(conversationId)).body).toMatchObject({
    ok: false,
    findings: [{ invariant: "I4 numbers", where: `${conversationId}#1` }],
  });
  expect((await audit("p:no-one:nobody")).body.name).toBe("NO_SUCH_CONVERSATION");
});

describe("a broadcast", () => {
  const progress = async (key: string, id: string) => (await call(key, "GET", `/v1/admin/broadcasts/${id}`)).body;
  const isDone = (key: string, id: string) =>
    until(
      "the broadcast is done",
      async () => {
        const body = await progress(key, id);
        return body.isDone ? body : undefined;
      },
      90_000,
    );

  test("reaches the named users, online or not, and counts users to whom it may not write", async () => {
    const { key } = await newKey("broadcast");
    const [alice, bob, carl] = [
      await cluster.person("alice"),
      await cluster.person("bob"),
      await cluster.person("carl"),
    ];
    await call(carl.token, "PUT", `/v1/blocks/${alice.userId}`);
    const client = await cluster.online(bob, "ws");
    const broadcastId = `b-${alice.userId}`.slice(0, 32);
    const body = {
      broadcastId,
      senderId: alice.userId,
      contentType: "text",
      content: "closed on Monday",
      userIds: [bob.userId, carl.userId, "nobody-of-that-name"],
    };
    const begun = { status: 202, body: { broadcastId } };
    expect(await call(key, "POST", "/v1/admin/broadcast", body)).toEqual(begun);
    await client.until("it", () => client.events.find(({ event }) => event["content"] === "closed on Monday"));
    expect(await isDone(key, broadcastId)).toMatchObject({ total: 3, sent: 1, refused: 2, senderId: alice.userId });
    expect(await call(key, "POST", "/v1/admin/broadcast", body)).toEqual(begun);
    const other = await call(key, "POST", "/v1/admin/broadcast", { ...body, content: "open on Monday" });
    expect(other.body.name).toBe("CONFLICT");
    const [list] = (await call(bob.token, "GET", "/v1/conversations")).body.items;
    expect(list).toMatchObject({ lastSeq: 1, unread: 1 });
    const strange = await call(key, "POST", "/v1/admin/broadcast", { ...body, senderId: "nobody", broadcastId: "b2" });
    expect(strange.body.name).toBe("NO_SUCH_USER");
  });

  test("to all users reaches each once, although the api is killed on the way", async () => {
    const { key } = await newKey("broadcast");
    const sender = await cluster.person("newsletter");
    const people = Array.from({ length: 1_500 }, (_, i) => `crowd${String(i).padStart(4, "0")}`);
    await pool.query("INSERT INTO users (id, folded_id, display_name, created_at) VALUES ?", [
      people.map((id) => [id, id, id, Date.now()]),
    ]);
    const body = { senderId: sender.userId, contentType: "text", content: "good morning" };
    const { broadcastId } = (await call(key, "POST", "/v1/admin/broadcast", body)).body;
    const row = async () => {
      const [rows] = await pool.query<RowDataPacket[]>("SELECT sent, done_at FROM broadcasts WHERE id = ?", [
        broadcastId,
      ]);
      return rows[0] as { sent: number; done_at: number | null };
    };
    await until("some have it", async () => (await row()).sent > 0);
    process.kill(cluster.info().apis[0]!.pid!, "SIGKILL");
    expect((await row()).done_at).toBeNull();
    await until("the rest has it too", async () => (await row()).done_at !== null, 90_000);
    const [[users]] = (await pool.query("SELECT COUNT(*) AS total FROM users WHERE deleted_at IS NULL")) as unknown as [
      { total: number }[],
    ];
    expect((await row()).sent).toBe(users!.total - 1);
    const found = await until("all is archived", async () => {
      const [rows] = await pool.query<RowDataPacket[]>(
        "SELECT conversation, COUNT(*) AS messages FROM messages WHERE sender = ? GROUP BY conversation",
        [sender.userId],
      );
      return rows.length === users!.total - 1 ? (rows as { messages: number }[]) : undefined;
    });
    expect(found.filter(({ messages }) => messages !== 1)).toEqual([]);
  });
});
