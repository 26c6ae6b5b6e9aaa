/** The tools of operators: they report a healthy cluster as healthy, and find real faults. */

import { partitionOf, ROLES, uuidv7 } from "@carillon/base";
import { buildVersion } from "@carillon/base/node";
import { type Bus, encodeRequestBatch, ownerQuestion, putAside, serve } from "@carillon/bus";
import { openCoordination } from "@carillon/coordination";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { runCarillon } from "./fixtures/run-carillon";

// Each look is a process of its own.
jest.setTimeout(240_000);

let cluster: TestCluster;
let bus: Bus;
beforeAll(async () => {
  cluster = await startTestCluster();
  bus = await cluster.bus();
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
}, 60_000);

const carillon = (...args: string[]) => runCarillon(cluster, ...args);

interface Check {
  name: string;
  result: string;
  text: string;
}

async function doctor() {
  const { code, document } = await carillon("doctor");
  const checks = document.checks as Check[];
  return { code, ok: document.ok, checks, of: (name: string) => checks.find((check) => check.name === name) };
}

async function say(from: RawClient, to: Person, content: string) {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content };
  const answer = await from.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return { ...payload, ...(answer.payload as { seq: number; conversationId: string; messageId: string }) };
}

test("doctor: nothing is wrong with a new cluster", async () => {
  const { code, ok, checks } = await doctor();
  expect(checks.filter(({ result }) => result === "wrong")).toEqual([]);
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  const right = [
    "nats fsync",
    "redis eviction",
    "mysql flush",
    "mysql isolation",
    "schema",
    "partitions served",
    "versions",
    "one layout",
    "ring",
  ];
  for (const name of [...right, "one owner each", "dead letters", "roles", "clock of redis", "clock of mysql"]) {
    expect(checks.find((check) => check.name === name)).toMatchObject({ name, result: "ok" });
  }
});

test("doctor: a Redis that evicts is wrong; a worker that hangs leaves partitions without an answer", async () => {
  const redis = new Redis(cluster.info().redis.url);
  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  const evicting = await doctor();
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await redis.quit();
  expect(evicting).toMatchObject({ code: 1, ok: false });
  expect(evicting.of("redis eviction")).toMatchObject({ result: "wrong", text: "allkeys-lru" });
  const { workers } = cluster.info();
  for (const { pid } of workers) process.kill(pid, "SIGSTOP");
  const report = { owner: "worker-1", boot: "b", epoch: 0, trouble: "it ends at record 9, the archive is at 12" };
  const { connection, logger } = bus;
  const coordination = await openCoordination({ connection, logger });
  await coordination.partitions.put(ROLES.worker, 1, report);
  await coordination.close();
  const hanging = await doctor().finally(() => {
    for (const { pid } of workers) process.kill(pid, "SIGCONT");
  });
  expect(hanging.code).toBe(1);
  expect(hanging.of("partitions served")).toMatchObject({ result: "wrong", text: "no owner answers for 0, 1" });
  const said = "partition 1, says worker-1: it ends at record 9, the archive is at 12";
  expect(hanging.of("partitions usable")).toMatchObject({ result: "wrong", text: said });
});

test("nodes show their version; doctor: another version is a warning, another layout is wrong", async () => {
  const { nodes } = (await carillon("nodes")).document as { nodes: { nodeId: string; version: string }[] };
  const version = buildVersion();
  expect(nodes.map((node) => node.version)).toEqual(nodes.map(() => version));
  const before = await doctor();
  expect(before.of("versions")).toMatchObject({ result: "ok", text: version });
  expect(before.of("one layout")).toMatchObject({ result: "ok" });

  const { connection, logger } = bus;
  const coordination = await openCoordination({ connection, logger });
  const strange = { nodeId: "api-old", boot: "b", role: "api", version: "0.0.1", fingerprint: "another" };
  const member = await coordination.join(strange);
  const { code, of } = await doctor();
  await member.leave();
  await coordination.close();
  expect(code).toBe(1);
  expect(of("versions")).toMatchObject({ result: "warning", text: expect.stringContaining("0.0.1 (api-old)") });
  expect(of("one layout")).toMatchObject({ result: "wrong", text: expect.stringContaining("api-old has another") });
});

test("doctor: two workers that claim a partition", async () => {
  await until("the workers are back", async () => (await doctor()).ok);
  const state = { nodeId: "former", epoch: 0, covered: 0, lastSeq: 0, fanout: -1 };
  const stop = serve(bus, ownerQuestion.to(1), () => state);
  const { code, of } = await doctor();
  stop();
  expect(code).toBe(1);
  expect(of("one owner each")).toMatchObject({ result: "wrong", text: expect.stringContaining("former (epoch 0)") });
});

test("dead letters: listed, shown, replayed into the conversation, dropped; doctor mentions them", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const receiver = await cluster.online(bob, "tcp");
  const conversationId = `p:${alice.userId}:${bob.userId}`;
  await say(await cluster.online(alice, "tcp"), bob, "before");
  // Commands take their time, and a client that acknowledges nothing is disconnected.
  const { payload } = await receiver.nextOf(Command.DELIVER);
  receiver.send(Command.RECEIVED, { epoch: payload.epoch, inboxSeq: payload.events.at(-1)[0] });
  const partition = partitionOf(conversationId, 2);
  const request = { connection: 1, requestId: 1, senderId: alice.userId, contentType: "text", conversationId };
  const letter = (content: string) =>
    encodeRequestBatch({
      replyTo: "gateway-0",
      boot: "none",
      requests: [{ ...request, clientMsgId: uuidv7(Date.now()), content }],
    });
  await putAside(bus, { partition, data: letter("from the dead"), reason: "by a test", id: "1" });
  await putAside(bus, { partition, data: letter("unwanted"), reason: "by a test", id: "2" });

  const { letters } = (await carillon("dead-letters", "list")).document;
  expect(letters).toMatchObject([
    { id: 1, partition, reason: "by a test", senders: [alice.userId], requests: 1 },
    { id: 2, partition },
  ]);
  expect((await carillon("dead-letters", "show", "1")).document.requests).toMatchObject([{ content: "from the dead" }]);
  expect((await doctor()).of("dead letters")).toMatchObject({ result: "warning", text: "2" });

  expect(await carillon("dead-letters", "drop", "2")).toMatchObject({ code: 2, stdout: "" });
  expect(await carillon("dead-letters", "drop", "2", "--yes")).toMatchObject({ code: 0 });
  expect(await carillon("dead-letters", "drop", "2", "--yes")).toMatchObject({ code: 2 });
  expect(await carillon("dead-letters", "replay", "1")).toMatchObject({ code: 0 });
  await receiver.until("it", () => receiver.events.some(({ event }) => event["content"] === "from the dead"));
  expect((await carillon("dead-letters", "list")).document).toEqual({ letters: [] });
});

test("trace: a message while its recipient is away, after they acknowledged it, and by each of its names", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const sender = await cluster.online(alice, "tcp");
  const before = await cluster.online(bob, "ws");
  const { inbox } = before.frames[0]!.payload;
  before.close();
  await until("Bob is away", async () => (await carillon("sessions", bob.userId)).document.sessions.length === 0);
  const { conversationId, messageId, clientMsgId, seq } = await say(sender, bob, "where am I?");
  const trace = async (name: string) => (await carillon("trace", name)).document;
  const filled = await until("the inboxes", async () => {
    const document = await trace(messageId);
    return document?.members[1]?.inboxSeq === 1 && document;
  });
  const owner = expect.stringMatching(/^worker-/);
  const partition = partitionOf(conversationId, 2);
  expect(filled).toMatchObject({ conversationId, seq, messageId, clientMsgId, senderId: alice.userId, partition });
  expect(filled).toMatchObject({ fannedOut: true, logged: { index: 0, owner, epoch: expect.any(Number) } });
  expect(filled.members[1]).toMatchObject({ userId: bob.userId, delivered: false, read: false });

  for (const device of filled.members[1].devices) expect(device).toMatchObject({ gateway: null, acknowledged: false });

  const receiver = await cluster.online(bob, "ws", { inbox });
  const { payload } = await receiver.nextOf(Command.DELIVER);
  receiver.send(Command.RECEIVED, { epoch: payload.epoch, inboxSeq: 1 });
  await sender.nextOf(Command.DELIVERED_UPDATE);
  const arrived = await until("archive and cursor", async () => {
    const document = await trace(`${conversationId}#${seq}`);
    return document.archived.row && document.members[1].devices[0]?.acknowledged === true && document;
  });
  expect(arrived.members[1]).toMatchObject({
    devices: [{ deviceId: bob.deviceId, gateway: expect.stringMatching(/^gateway-/), live: true, cursor: 1 }],
    delivered: true,
    read: false,
  });
  expect(arrived.archived).toEqual({ row: true, passed: true });
  expect(await trace(clientMsgId)).toMatchObject({ messageId, archived: { row: true } });
  expect(await carillon("trace", uuidv7(Date.now()))).toMatchObject({ code: 1, stdout: "" });
  expect(await carillon("trace", "what")).toMatchObject({ code: 2, stdout: "" });
});

test("audit: clean while messages flow; deleted, wrong and surplus rows, and a hole in an inbox are found", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const sender = await cluster.online(alice, "tcp");
  await cluster.online(bob, "tcp");
  let conversationId = "";
  const running = say(sender, bob, "1").then(async (first) => {
    conversationId = first.conversationId;
    for (let i = 2; i <= 12; i++) await say(sender, bob, `${i}`);
  });
  const meanwhile = await carillon("audit");
  await running;
  expect(meanwhile).toMatchObject({ code: 0, document: { ok: true, findings: [] } });
  await until("the archive", async () => (await carillon("trace", `${conversationId}#12`)).document.archived.row);
  const one = await carillon("audit", conversationId);
  expect(one).toMatchObject({ code: 0, document: { ok: true, findings: [], checked: { conversations: 1, rows: 12 } } });
  expect(one.document.checked).toMatchObject({ inboxes: 2, queues: 2 });

  const sql = await createConnection(cluster.info().mysql.url);
  await sql.query("DELETE FROM messages WHERE conversation = ? AND seq = 3", [conversationId]);
  await sql.query("UPDATE messages SET content = 'forged' WHERE conversation = ? AND seq = 5", [conversationId]);
  await sql.query(
    `INSERT INTO messages (conversation, seq, message_id, kind, sender, client_msg_id, content_type, content, sent_at)
     SELECT conversation, 14, message_id + 1, kind, sender, client_msg_id, content_type, content, sent_at
     FROM messages WHERE conversation = ? AND seq = 12`,
    [conversationId],
  );
  await sql.end();
  const redis = new Redis(cluster.info().redis.url);
  await redis.zremrangebyscore(`{u:${bob.userId}}:inbox`, 7, 7);
  await redis.hset(`{c:${conversationId}}:marks`, bob.userId, "0 99");
  await redis.quit();
  const broken = await carillon("audit", conversationId);
  expect(broken).toMatchObject({ code: 1, document: { ok: false } });
  const finding = (invariant: string, where: string, what: string) => ({
    invariant,
    where: expect.stringContaining(where),
    what: expect.stringContaining(what),
  });
  const archive = [
    finding("I4 numbers", `${conversationId}#3`, "has no row"),
    finding("I4 numbers", `${conversationId}#5`, "differ in content"),
    finding("I4 numbers", conversationId, "12 rows with numbers from 1 to 14"),
    finding("I4 numbers", conversationId, "says that 12 is its last"),
    finding("I4 numbers", conversationId, "without a row: 3, 13"),
    finding("I2 once", conversationId, "12 messages have 11 different ids"),
  ];
  const marks = finding("marks", conversationId, `${bob.userId} has delivered 99`);
  const inbox = [
    finding("I6 inbox", `inbox of ${bob.userId}`, "7 is missing"),
    finding("I6 inbox", `inbox of ${bob.userId}, ${conversationId}`, "message 7 is missing"),
  ];
  expect(broken.document.findings).toEqual(expect.arrayContaining([...archive, marks, ...inbox]));
  const all = await carillon("audit");
  expect(all.code).toBe(1);
  expect(all.document.findings).toEqual(expect.arrayContaining([...archive, ...inbox]));
  expect(await carillon("audit", "p:no-one:nobody")).toMatchObject({ code: 1, stdout: "" });
  expect(await carillon("audit", "what")).toMatchObject({ code: 2, stdout: "" });
});

test("trace and audit of a group: its members, for as long as they belonged to it", async () => {
  const people = await Promise.all(["alice", "bob", "carl"].map((name) => cluster.person(name)));
  const [alice, bob, carl] = people as [Person, Person, Person];
  const [sender] = await Promise.all(people.map((person) => cluster.online(person, "tcp")));
  const { token } = alice;
  const body = { name: "choir", joinPolicy: "invite", members: [bob.userId, carl.userId] };
  const { groupId } = (await cluster.http("POST", "/v1/groups", { token, body })).body;
  const sing = (content: string) => {
    const payload = { clientMsgId: uuidv7(Date.now()), to: `g:${groupId}`, contentType: "text", content };
    return sender!.request(Command.SEND, payload);
  };
  for (const text of ["one", "two", "three"]) expect((await sing(text)).command).toBe(Command.SENT);
  await cluster.http("DELETE", `/v1/groups/${groupId}/members/${carl.userId}`, { token });
  expect((await sing("four")).payload.seq).toBe(6);
  const membersOf = async (seq: number) => {
    const { document } = await carillon("trace", `g:${groupId}#${seq}`);
    return document.members as { userId: string; inboxSeq: number | null }[];
  };
  const ids = (...of: Person[]) => of.map(({ userId }) => userId).sort();
  await until("both have the last one", async () => {
    const members = await membersOf(6);
    return members.length === 2 && members.every(({ inboxSeq }) => inboxSeq !== null);
  });
  expect((await membersOf(6)).map(({ userId }) => userId).sort()).toEqual(ids(alice, bob));
  expect((await membersOf(3)).map(({ userId }) => userId).sort()).toEqual(ids(alice, bob, carl));

  const conversationId = `g:${groupId}`;
  expect(await carillon("audit", conversationId)).toMatchObject({
    code: 0,
    document: { findings: [], checked: { inboxes: 3 } },
  });
  const redis = new Redis(cluster.info().redis.url);
  await redis.zremrangebyscore(`{u:${bob.userId}}:inbox`, 3, 3);
  await redis.zremrangebyscore(`{u:${carl.userId}}:inbox`, 4, 4);
  await redis.quit();
  const { code, document } = await carillon("audit", conversationId);
  expect(code).toBe(1);
  const missing = ({ userId }: Person, seq: number) => ({
    invariant: "I6 inbox",
    where: `inbox of ${userId}, ${conversationId}`,
    what: `message ${seq} is missing`,
  });
  expect(document.findings).toEqual(expect.arrayContaining([missing(bob, 3), missing(carl, 4)]));
});

test("audit: a queue with messages that no consumer will get; it heals when the workers are back", async () => {
  const { workers } = cluster.info();
  for (const { pid } of workers) process.kill(pid, "SIGSTOP");
  const audit = await (async () => {
    for await (const { name } of bus.jsm.consumers.list("IN_0")) await bus.jsm.consumers.delete("IN_0", name);
    await bus.js.publish("im.in.0", encodeRequestBatch({ replyTo: "gateway-0", boot: "none", requests: [] }));
    return carillon("audit");
  })().finally(() => {
    for (const { pid } of workers) process.kill(pid, "SIGCONT");
  });
  expect(audit.code).toBe(1);
  expect(audit.document.findings).toContainEqual({
    invariant: "I7 queue",
    where: "IN_0",
    what: "1 messages, 0 accounted for by no consumer",
  });
  await until("the queue is taken again", async () => (await bus.jsm.streams.info("IN_0")).state.messages === 0);
});

test("a store that is away: the doctor reports it and continues, trace and audit are not reached", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const { messageId } = await say(await cluster.online(alice, "tcp"), bob, "hello");
  const { pid } = cluster.info().redis;
  process.kill(pid!, "SIGSTOP");
  const [examined, traced, audited] = await (async () => [
    await doctor(),
    await carillon("trace", messageId),
    await carillon("audit"),
  ])().finally(() => process.kill(pid!, "SIGCONT"));
  expect((examined as Awaited<ReturnType<typeof doctor>>).of("redis")).toMatchObject({ result: "wrong" });
  const notReached = { code: 3, stdout: "", stderr: expect.stringContaining("does not answer") };
  expect(traced).toMatchObject(notReached);
  expect(audited).toMatchObject(notReached);
});
