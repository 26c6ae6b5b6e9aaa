/** What only operators ask of MySQL and Redis. */
import { nextSnowflake } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import type { Event } from "@carillon/protocol";
import {
  Inboxes,
  inspectCursors,
  inspectInbox,
  keys,
  MysqlStore,
  migrate,
  RedisStore,
  Sessions,
} from "@carillon/store";
import { startServers, type TestServers } from "@carillon/testkit";

let servers: TestServers<{ mysql: true; redis: true }>;
let mysql: MysqlStore;
let redis: RedisStore;

beforeAll(async () => {
  servers = await startServers({ mysql: true, redis: true });
  const settings = { url: servers.mysql.url, poolSize: 4 };
  await migrate(settings, silentLogger());
  mysql = await MysqlStore.connect(settings, silentLogger());
  redis = await RedisStore.connect({ url: servers.redis.url }, silentLogger());
}, 120_000);

afterAll(async () => {
  await mysql?.close();
  await redis?.close();
  await servers?.stop();
});

const START = 1_790_000_000_000;

/** Two messages, one and two days after the start. */
function twoIn(conversationId: string, partition: number): Event[] {
  return [1, 2].map((seq) => ({
    ...{ conversationId, seq, messageId: nextSnowflake({ ms: 0, counter: 0 }, partition, START + seq * 86_400_000) },
    ...{ kind: "message", senderId: "alice", clientMsgId: `0196f000-0000-7000-8000-00000000000${seq}` },
    ...{ contentType: "text", content: `text ${seq}`, sentAt: START + seq },
  }));
}

describe("the archive", () => {
  const conversations = ["p:alice:bob", "p:alice:carol", "p:alice:dora"];
  let events: Event[];

  beforeAll(async () => {
    events = conversations.flatMap(twoIn);
    const { claim, position } = await mysql.archive.claim(0);
    await mysql.archive.write({ partition: 0, claim, from: position, to: 9, events });
  });

  test("finds a message by each of its names, ids without loss", async () => {
    const [first] = events;
    expect(await mysql.audit.byMessageId(first!.messageId)).toMatchObject({
      seq: 1,
      content: "text 1",
    });
    expect(await mysql.audit.byMessageId(`${BigInt(first!.messageId) + 1n}`)).toBeUndefined();
    const at = await mysql.audit.at([first!, { conversationId: "p:alice:carol", seq: 3 }]);
    expect(at.map(({ messageId }) => messageId)).toEqual([first!.messageId]);
    const day = 86_400_000;
    const between = (from: number, to: number) => mysql.audit.byClientMsgId(first!.clientMsgId, from, to);
    expect(await between(START, START + 1.5 * day)).toHaveLength(3);
    expect(await between(START + 1.5 * day, START + 3 * day)).toEqual([]);
  });

  test("counts numbers in pages, in the order of the conversations", async () => {
    const right = { count: 2, first: 1, last: 2, messages: 2, ids: 2, lastSeq: 2, purgedSeq: 0 };
    const page = await mysql.audit.numbers("", 2);
    expect(page).toEqual(conversations.slice(0, 2).map((conversationId) => ({ conversationId, ...right })));
    expect(await mysql.audit.numbers("p:alice:carol", 2)).toMatchObject([{ conversationId: "p:alice:dora" }]);
    expect(await mysql.audit.numbersIn("p:alice:bob")).toMatchObject(right);
    expect(await mysql.audit.numbersIn("p:no:body")).toBeUndefined();
    expect(await mysql.audit.seqs("p:alice:bob", 1, 10)).toEqual([2]);
  });

  test("tells marks and variables", async () => {
    await mysql.conversations.moveMarks([{ conversationId: "p:alice:bob", userId: "bob", read: 1, delivered: 2 }]);
    expect(await mysql.audit.marks("p:alice:bob")).toContainEqual({ userId: "bob", read: 1, delivered: 2 });
    const variables = await mysql.server.variables(["version", "tx_isolation", "transaction_isolation", "no_such"]);
    expect(variables.has("no_such")).toBe(false);
    expect(variables.get("transaction_isolation") ?? variables.get("tx_isolation")).toBe("READ-COMMITTED");
  });
});

describe("inboxes", () => {
  test("are shown as they are, and none is made by looking", async () => {
    expect(await inspectInbox(redis, "bob")).toBeUndefined();
    expect(await redis.hashValues(keys.head("bob"))).toEqual({});
    const delivery = (position: number) => ({ position, event: Buffer.from([position]), recipients: ["bob"] });
    await new Inboxes(redis).deliver(0, "private", [delivery(1), delivery(2)]);
    expect(await inspectInbox(redis, "bob")).toMatchObject({
      ...{ seq: 2, isCurrent: true },
      events: [
        [1, Buffer.from([1])],
        [2, Buffer.from([2])],
      ],
    });
  });

  test("cursors stand where the devices have acknowledged", async () => {
    await new Sessions(redis).received([{ userId: "bob", deviceId: "phone", epoch: "e", seq: 2 }], 5);
    expect(await inspectCursors(redis, "bob")).toEqual(new Map([["phone", { epoch: "e", seq: 2 }]]));
  });

  test("the server tells its time", async () => {
    expect(Math.abs((await redis.time()) - Date.now())).toBeLessThan(60_000);
  });
});
