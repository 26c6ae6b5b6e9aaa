/** Redis forgets everything, or begins a new life: connected devices notice, and nothing is lost or numbered twice. */
import { sleep, uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { Redis } from "ioredis";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

async function say(from: RawClient, to: Person, content: string) {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content };
  const answer = await from.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload as { seq: number; conversationId: string };
}

/** Returns the epochs that a client received, in order. */
const epochs = (client: RawClient) => [
  ...new Set(client.frames.filter(({ command }) => command === Command.DELIVER).map(({ payload }) => payload.epoch)),
];

const contents = (client: RawClient) => client.events.map(({ event }) => event["content"]);

async function forget(): Promise<void> {
  const redis = new Redis(cluster.info().redis.url);
  await redis.flushall();
  await redis.quit();
}

test("wiped: devices that stay connected are told a new epoch, get everything after it, and SYNC shows the rest", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const { conversationId } = await say(a, bob, "before");
  await b.until("the first", () => contents(b).length === 1);
  await forget();
  for (let i = 1; i <= 5; i++) expect((await say(a, bob, `after ${i}`)).seq).toBe(i + 1);
  for (const client of [a, b]) {
    await client.until("everything", () => contents(client).includes("after 5"));
    expect(epochs(client)).toHaveLength(2);
    const after = client.events.filter(({ event }) => (event["content"] as string).startsWith("after"));
    expect(after.map(({ inboxSeq }) => inboxSeq)).toEqual([1, 2, 3, 4, 5]);
  }
  const synced = await b.request(Command.SYNC, {});
  expect(synced.payload.conversations).toMatchObject([{ conversationId, lastSeq: 6 }]);
  // Acknowledging goes on in the new epoch, and the sender hears of it.
  b.send(Command.RECEIVED, { epoch: epochs(b)[1], inboxSeq: 5 });
  const told = await a.next(
    "the mark",
    ({ command, payload }) => command === Command.DELIVERED_UPDATE && payload.seq === 6,
  );
  expect(told.payload).toMatchObject({ conversationId, userId: bob.userId });
});

test("wiped while nobody writes to a device that only listens: its next message still reaches it", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const b = await cluster.online(bob, "tcp");
  await forget();
  const a = await cluster.online(alice, "ws");
  await say(a, bob, "are you there?");
  await b.until("the message", () => contents(b).includes("are you there?"));
});

test("killed and started again: another life, another epoch, also for devices that get no events", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  await say(a, bob, "before");
  await b.until("the first", () => contents(b).length === 1);
  process.kill(cluster.info().redis.pid!, "SIGKILL");
  await say(a, bob, "while it is away");
  await b.until("a new epoch", () => epochs(b).length === 2);
  await a.until("a new epoch", () => epochs(a).length === 2);
  await say(a, bob, "after");
  await b.until("all", () => contents(b).includes("after"));
  const seqs = b.events.map(({ event }) => event["seq"] as number);
  expect(seqs.filter((seq, i) => seqs.indexOf(seq) === i)).toEqual([1, 2, 3]);
});

test("a device that acknowledges nothing is sent everything again", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  await say(a, bob, "hello?");
  await until("it comes twice", () => contents(b).length === 2);
  expect(b.events.map(({ inboxSeq }) => inboxSeq)).toEqual([1, 1]);
  b.send(Command.RECEIVED, { epoch: epochs(b)[0], inboxSeq: 1 });
  await sleep(12_000);
  expect(contents(b)).toHaveLength(2);
});
