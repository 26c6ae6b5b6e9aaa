/** Lists, histories, PULL and SYNC over a whole cluster: what was acknowledged is in every answer. */
import { uuidv7 } from "@carillon/base";
import { CloseCode, Command, type ConversationRow, type Event, privateConversationId } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";

let cluster: TestCluster;
const clients: RawClient[] = [];

beforeAll(async () => {
  cluster = await startTestCluster({ counts: { gateway: 1, worker: 2, archiver: 1, api: 1 } });
}, 180_000);

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(() => cluster.stop());

async function online(person: Person): Promise<RawClient> {
  const client = await cluster.online(person, "ws");
  clients.push(client);
  return client;
}

async function send(client: RawClient, to: Person, content: string): Promise<{ seq: number }> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  if (answer.command !== Command.SENT) throw new Error(JSON.stringify(answer));
  return answer.payload;
}

const idOf = (a: Person, b: Person) => privateConversationId(a.userId, b.userId);
const seqs = (events: Event[]) => events.map(({ seq }) => seq);

async function history(person: Person, conversationId: string, query = "") {
  const where = `/v1/conversations/${conversationId}/messages${query}`;
  return cluster.http("GET", where, { token: person.token });
}

describe("history", () => {
  test("holds what was sent as soon as it is acknowledged, and pages back to the first", async () => {
    const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
    const client = await online(alice);
    for (let i = 1; i <= 7; i++) expect((await send(client, bob, `text ${i}`)).seq).toBe(i);
    const id = idOf(alice, bob);
    const newest = await history(bob, id, "?limit=3");
    expect(newest).toMatchObject({ status: 200, body: { conversationId: id, lastSeq: 7, more: true } });
    expect(newest.body.messages.map(({ content }: Event) => content)).toEqual(["text 5", "text 6", "text 7"]);
    const older = (await history(bob, id, "?before=5&limit=3")).body;
    expect([seqs(older.messages), older.more]).toEqual([[2, 3, 4], true]);
    const oldest = (await history(bob, id, "?before=2")).body;
    expect([seqs(oldest.messages), oldest.more]).toEqual([[1], false]);
    expect((await history(bob, id, "?before=1")).body.messages).toEqual([]);
  });

  test("is for its two users only", async () => {
    const [alice, bob, mallory] = [await cluster.person(), await cluster.person(), await cluster.person("mallory")];
    await send(await online(alice), bob, "secret");
    const id = idOf(alice, bob);
    expect((await history(mallory, id)).body).toMatchObject({ name: "NO_SUCH_CONVERSATION" });
    expect((await history(mallory, idOf(mallory, bob))).body).toMatchObject({ name: "NO_SUCH_CONVERSATION" });
    const spy = await online(mallory);
    const pulled = await spy.request(Command.PULL, { conversationId: id, fromSeq: 1 });
    expect(pulled).toMatchObject({ command: Command.ERROR, payload: { name: "NO_SUCH_CONVERSATION" } });
    await spy.request(Command.READ, { conversationId: id, seq: 1 });
    expect((await cluster.http("GET", "/v1/conversations", { token: mallory.token })).body.items).toEqual([]);
  });
});

describe("PULL", () => {
  test("reads a range in either direction", async () => {
    const [alice, bob] = [await cluster.person(), await cluster.person()];
    const client = await online(alice);
    for (let i = 1; i <= 5; i++) await send(client, bob, `text ${i}`);
    const pull = async (fields: object) => {
      const { payload } = await client.request(Command.PULL, { conversationId: idOf(alice, bob), ...fields });
      return [seqs(payload.events), payload.more, payload.lastSeq];
    };
    expect(await pull({ fromSeq: 1 })).toEqual([[1, 2, 3, 4, 5], false, 5]);
    expect(await pull({ fromSeq: 2, toSeq: 4, limit: 2 })).toEqual([[2, 3], true, 5]);
    expect(await pull({ fromSeq: 4, limit: 2, backwards: true })).toEqual([[3, 4], true, 5]);
    expect(await pull({ fromSeq: 6 })).toEqual([[], false, 5]);
  });

  test("cuts at 60 KiB and says that there is more", async () => {
    const [alice, bob] = [await cluster.person(), await cluster.person()];
    const client = await online(alice);
    for (let i = 1; i <= 5; i++) await send(client, bob, "x".repeat(16_000));
    const { payload } = await client.request(Command.PULL, { conversationId: idOf(alice, bob), fromSeq: 1 });
    expect([seqs(payload.events), payload.more]).toEqual([[1, 2, 3], true]);
  });
});

describe("SYNC", () => {
  test("lists conversations newest first, over pages, with marks and unread counts", async () => {
    const me = await cluster.person("me");
    const peers = await Promise.all([1, 2, 3, 4, 5].map((i) => cluster.person(`peer${i}`)));
    const client = await online(me);
    const others = [];
    for (const peer of peers) {
      const other = await online(peer);
      others.push(other);
      await send(other, me, `hello from ${peer.userId}`);
      await send(other, me, "and again");
    }
    await client.request(Command.READ, { conversationId: idOf(me, peers[4]!), seq: 1 });
    // OK says that the receipt is stored; when the peer is told, the mark has moved.
    await others[4]!.nextOf(Command.READ_UPDATE);
    const pages = [];
    for (let cursor: string | undefined; ; ) {
      const request = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
      const { command, payload } = await client.request(Command.SYNC, request);
      expect(command).toBe(Command.SYNCED);
      pages.push(payload);
      cursor = payload.cursor;
      if (!payload.more) break;
    }
    expect(pages.slice(0, 2).map(({ conversations }) => conversations.length)).toEqual([2, 2]);
    // What was archived while the sync was under way comes again at its end.
    const rows = [
      ...new Map<string, ConversationRow>(
        pages.flatMap(({ conversations }) => conversations).map((row) => [row.conversationId, row]),
      ).values(),
    ];
    expect(rows.map(({ conversationId }) => conversationId)).toEqual([...peers].reverse().map((p) => idOf(me, p)));
    expect(rows.map(({ unread, readSeq, lastSeq }) => [unread, readSeq, lastSeq])).toEqual([
      [1, 1, 2],
      ...new Array(4).fill([2, 0, 2]),
    ]);
    expect(new Set(pages.map(({ counts }) => counts.conversations))).toEqual(new Set([5]));
    expect(new Set(pages.map(({ inbox, syncedAt }) => JSON.stringify([inbox, syncedAt]))).size).toBe(1);
    expect(pages[0]?.inbox.seq).toBe(10);
    const wrong = await client.request(Command.SYNC, { cursor: "nonsense" });
    expect(wrong.payload).toMatchObject({ name: "BAD_PAYLOAD" });
  });

  test("never misses what was acknowledged before it", async () => {
    const me = await cluster.person("me");
    const client = await online(me);
    for (let round = 1; round <= 10; round++) {
      const peer = await cluster.person(`round${round}`);
      await send(client, peer, "first contact");
      const { payload } = await client.request(Command.SYNC, {});
      expect(payload.conversations[0]).toMatchObject({ conversationId: idOf(me, peer), lastSeq: 1 });
    }
  }, 60_000);

  test("since an earlier one lists what changed; since a time that never was, everything", async () => {
    const [me, peer] = [await cluster.person(), await cluster.person()];
    const client = await online(me);
    await send(client, peer, "one");
    const listed = async (conversationsSince: number) =>
      (await client.request(Command.SYNC, { conversationsSince })).payload.conversations.length;
    const { syncedAt } = (await client.request(Command.SYNC, {})).payload;
    expect(await listed(syncedAt)).toBe(1);
    // The margin over, the time of a sync is that of the database.
    await until("nothing has changed since just now", async () => {
      const now = (await client.request(Command.SYNC, {})).payload.syncedAt + 10_000;
      return (await listed(now)) === 0;
    });
    expect(await listed(syncedAt + 3_600_000)).toBe(1);
  });
});

describe("the list of conversations", () => {
  test("pages over HTTP", async () => {
    const me = await cluster.person("me");
    const client = await online(me);
    const peers = await Promise.all([1, 2, 3].map((i) => cluster.person(`peer${i}`)));
    for (const peer of peers) await send(client, peer, "hello");
    const first = await cluster.http("GET", "/v1/conversations?limit=2", { token: me.token });
    expect(first.body.items).toHaveLength(2);
    // Two owners of partitions have two clocks: messages of one moment may be dated the other way round.
    const shown = new Set(first.body.items.map(({ conversationId }: ConversationRow) => conversationId));
    const [left] = peers.map((peer) => idOf(me, peer)).filter((id) => !shown.has(id));
    const where = `/v1/conversations?limit=2&cursor=${encodeURIComponent(first.body.cursor)}`;
    const second = await cluster.http("GET", where, { token: me.token });
    expect(second.body).toEqual({
      items: [
        expect.objectContaining({
          conversationId: left,
          unread: 0,
          preview: { senderId: me.userId, contentType: "text", text: "hello" },
        }),
      ],
    });
  });
});

test("a log-out closes the device's connections with 4101, and leaves the others alone", async () => {
  const phone = await cluster.person();
  const laptop = await cluster.device(phone, "laptop");
  const [left, stays] = [await online(phone), await online(laptop)];
  expect((await cluster.http("DELETE", "/v1/sessions/current", { token: phone.token })).status).toBe(204);
  expect(await left.closed()).toBe(CloseCode.TOKEN_REVOKED);
  expect((await stays.request(Command.PING)).command).toBe(Command.PONG);
  await expect(online(phone)).rejects.toThrow("TOKEN_REVOKED");
});
