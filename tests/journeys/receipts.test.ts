/** Receipts: delivered marks and read marks, which stay known when something fails. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type LinkedCluster, type Person, type RawClient, startLinkedCluster, until } from "@carillon/testkit";
import { Redis } from "ioredis";

let cluster: LinkedCluster;
beforeAll(async () => {
  cluster = await startLinkedCluster("gateway-");
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const patience = 60_000;

async function people(...names: string[]): Promise<Person[]> {
  return Promise.all(names.map((name) => cluster.person(name)));
}

async function say(from: RawClient, to: string, content: string) {
  const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
  const answer = await from.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload as { seq: number; conversationId: string };
}

async function newGroup(owner: Person, members: Person[]): Promise<string> {
  const body = { name: "choir", joinPolicy: "invite", members: members.map(({ userId }) => userId) };
  const answer = await cluster.http("POST", "/v1/groups", { token: owner.token, body });
  expect(answer.status).toBe(201);
  return `g:${answer.body.groupId}`;
}

/** A user's row of a conversation, as every device may ask for it. */
async function row({ token }: Person, conversationId: string) {
  const { body } = await cluster.http("GET", "/v1/conversations", { token });
  return body.items.find((item: { conversationId: string }) => item.conversationId === conversationId);
}

async function read(client: RawClient, conversationId: string, seq: number): Promise<string> {
  const { command, payload } = await client.request(Command.READ, { conversationId, seq });
  return command === Command.OK ? "OK" : payload.name;
}

const lastInbox = (client: RawClient) => {
  const { epoch, events } = client.frames.filter(({ command }) => command === Command.DELIVER).at(-1)!.payload;
  return { epoch, seq: (events as [number][]).at(-1)![0] };
};

const delivered = (client: RawClient, seq: number) =>
  client.next(
    `delivered up to ${seq}`,
    ({ command, payload }) => command === Command.DELIVERED_UPDATE && payload.seq === seq,
  );

test("in a group, reading moves the reader's mark on all their devices, and nobody else hears of it", async () => {
  const [alice, bob, carol, mallory] = (await people("alice", "bob", "carol", "mallory")) as [
    Person,
    Person,
    Person,
    Person,
  ];
  const conversationId = await newGroup(alice, [bob, carol]);
  const [a, b, c] = await Promise.all([alice, bob, carol].map((person) => cluster.online(person, "tcp")));
  const tablet = await cluster.online(await cluster.device(bob, "tablet"), "json");
  for (let i = 1; i <= 3; i++) await say(a!, conversationId, `message ${i}`);
  await until("archived", async () => (await row(bob, conversationId))?.unread === 3, patience);
  expect(await read(b!, conversationId, 3)).toBe("OK");
  expect((await tablet.nextOf(Command.READ_UPDATE)).payload).toEqual({ conversationId, userId: bob.userId, seq: 3 });
  await until("the row of the reader", async () => (await row(bob, conversationId)).unread === 1, patience);
  expect(await row(bob, conversationId)).toMatchObject({ readSeq: 3, lastSeq: 4 });
  expect(await row(carol, conversationId)).toMatchObject({ readSeq: 0, unread: 3 });
  // Beyond the end nobody has read.
  expect(await read(c!, conversationId, 99)).toBe("OK");
  await until("the end", async () => (await row(carol, conversationId)).unread === 0, patience);
  expect(await row(carol, conversationId)).toMatchObject({ readSeq: 4 });
  // Back it does not go.
  expect(await read(c!, conversationId, 1)).toBe("OK");
  expect(await read(await cluster.online(mallory, "ws"), conversationId, 1)).toBe("NO_SUCH_CONVERSATION");
  expect(await read(a!, "g:nowhere", 1)).toBe("NO_SUCH_CONVERSATION");
  const left = `/v1/groups/${conversationId.slice(2)}/members/me`;
  expect((await cluster.http("DELETE", left, { token: carol.token })).status).toBe(204);
  expect(await read(c!, conversationId, 4)).toBe("NO_SUCH_CONVERSATION");
  expect(await row(carol, conversationId)).toBeUndefined();
  expect(await row(bob, conversationId)).toMatchObject({ readSeq: 3 });
  for (const client of [a!, c!]) {
    expect(client.frames.filter(({ command }) => command === Command.READ_UPDATE)).toEqual([]);
  }
});

test("a receipt that was lost on its way is made up for when the device connects and says what it has", async () => {
  const [alice, bob] = (await people("alice", "bob")) as [Person, Person];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "tcp")];
  await say(a, `u:${bob.userId}`, "one");
  await say(a, `u:${bob.userId}`, "two");
  await b.until("both", () => b.events.length === 2);
  const inbox = lastInbox(b);
  // The device has the events, and died before it could acknowledge them.
  b.destroy();
  const again = await cluster.online(bob, "tcp", { inbox });
  await delivered(a, 2);
  for (const client of [a, again]) client.close();
});

test("a device that returns while marks are on their way to MySQL gets them, although a SYNC does not find them yet", async () => {
  const [alice, bob] = (await people("alice", "bob")) as [Person, Person];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "tcp")];
  await say(a, `u:${bob.userId}`, "hello");
  await b.until("the message", () => b.events.length === 1);
  const { syncedAt } = (await a.request(Command.SYNC, {})).payload;
  await a.until("its own", () => a.events.length === 1);
  const inbox = lastInbox(a);
  a.close();
  await a.closed();
  const { epoch, seq } = lastInbox(b);
  b.send(Command.RECEIVED, { epoch, inboxSeq: seq });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const again = await cluster.online(alice, "tcp", { inbox });
  await again.request(Command.SYNC, { conversationsSince: syncedAt + 10_000 });
  await delivered(again, 1);
  for (const client of [again, b]) client.close();
});

test("workers that are killed when a receipt comes: it is told again until it is known", async () => {
  const [alice, bob] = (await people("alice", "bob")) as [Person, Person];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "tcp")];
  const { conversationId } = await say(a, `u:${bob.userId}`, "hello");
  await b.until("the message", () => b.events.length === 1);
  const { epoch, seq } = lastInbox(b);
  for (const { pid } of cluster.info().workers) process.kill(pid, "SIGKILL");
  b.send(Command.RECEIVED, { epoch, inboxSeq: seq });
  await delivered(a, 1);
  await until("in the list", async () => (await row(alice, conversationId))?.peerDeliveredSeq === 1, patience);
  for (const client of [a, b]) client.close();
}, 120_000);

test("marks survive a Redis that was wiped, and READs go on", async () => {
  const [alice, bob] = (await people("alice", "bob")) as [Person, Person];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "tcp")];
  const { conversationId } = await say(a, `u:${bob.userId}`, "one");
  await say(a, `u:${bob.userId}`, "two");
  await b.until("both", () => b.events.length === 2);
  const { epoch, seq } = lastInbox(b);
  expect(await read(b, conversationId, 1)).toBe("OK");
  b.send(Command.RECEIVED, { epoch, inboxSeq: seq });
  await delivered(a, 2);
  const redis = new Redis(cluster.info().redis.url);
  await redis.flushall();
  await redis.quit();
  const marks = { peerReadSeq: 1, peerDeliveredSeq: 2 };
  await until(
    "both marks",
    async () => {
      const { peerReadSeq, peerDeliveredSeq } = await row(alice, conversationId);
      return peerReadSeq === marks.peerReadSeq && peerDeliveredSeq === marks.peerDeliveredSeq;
    },
    patience,
  );
  expect(await read(b, conversationId, 2)).toBe("OK");
  await until("read", async () => (await row(alice, conversationId)).peerReadSeq === 2, patience);
  expect(await row(bob, conversationId)).toMatchObject({ readSeq: 2, unread: 0 });
  for (const client of [a, b]) client.close();
}, 120_000);

test("a gateway that was cut off tells its devices to look what they missed", async () => {
  const [alice, bob] = (await people("alice", "bob")) as [Person, Person];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "tcp")];
  const { conversationId } = await say(a, `u:${bob.userId}`, "hello");
  await b.until("the message", () => b.events.length === 1);
  cluster.link.cut();
  cluster.link.heal();
  const changed = await a.nextOf(Command.CHANGED);
  expect(changed.payload.what).toBe("conversation-settings");
  expect(await read(b, conversationId, 1)).toBe("OK");
  await until("read", async () => (await row(alice, conversationId)).peerReadSeq === 1, patience);
  for (const client of [a, b]) client.close();
}, 120_000);
