/** Users' own settings of conversations, and the readers of messages. */
import { uuidv7 } from "@carillon/base";
import { Command, type ConversationRow, privateConversationId } from "@carillon/protocol";
import { type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs, type Member, newMember } from "./fixtures/member";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ env: { CARILLON_GROUPS_WRITE_FANOUT_MAX: "4" } });
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
}, 60_000);

const member = (name: string) => newMember(cluster, name, "ws");

const call = (who: Member, method: string, path: string, body?: object) => callAs(cluster, who, method, path, body);

async function say({ client }: Member, to: string, content: string): Promise<number> {
  const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  if (answer.command !== Command.SENT) throw new Error(JSON.stringify(answer));
  return answer.payload.seq;
}

const read = ({ client }: Member, conversationId: string, seq: number) =>
  client.request(Command.READ, { conversationId, seq });
const contents = (events: { content?: string }[]) => events.map(({ content }) => content);

async function pulled({ client }: Member, conversationId: string): Promise<(string | undefined)[]> {
  return contents((await client.request(Command.PULL, { conversationId, fromSeq: 1 })).payload.events);
}

async function history(who: Member, conversationId: string): Promise<(string | undefined)[]> {
  return contents((await call(who, "GET", `/v1/conversations/${conversationId}/messages`)).body.messages);
}

describe("settings of a conversation", () => {
  test("belong to one user, and appear on the user's other devices", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const conversationId = privateConversationId(alice.person.userId, bob.person.userId);
    await say(alice, `u:${bob.person.userId}`, "hello");
    const tablet = await cluster.online(await cluster.device(bob.person, "tablet"), "tcp");
    const { syncedAt } = (await tablet.request(Command.SYNC, {})).payload;
    const where = `/v1/conversations/${conversationId}`;
    const changed = await call(bob, "PATCH", where, { pinned: true, muted: true });
    const row = { conversationId, pinned: true, muted: true, clearedSeq: 0, unread: 1 };
    expect(changed).toMatchObject({ status: 200, body: row });
    expect(await call(bob, "PATCH", where, { pinned: true })).toEqual(changed);
    await tablet.until("CHANGED conversation-settings", () =>
      tablet.frames.find(
        ({ command, payload }) => command === Command.CHANGED && payload.what === "conversation-settings",
      ),
    );
    const { conversations } = (await tablet.request(Command.SYNC, { conversationsSince: syncedAt })).payload;
    expect(conversations).toMatchObject([row]);
    expect((await call(bob, "GET", where)).body).toEqual(changed.body);
    expect((await call(alice, "GET", where)).body).toMatchObject({ pinned: false, muted: false });
  });

  test("a conversation can be hidden until something new is said", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const conversationId = privateConversationId(alice.person.userId, bob.person.userId);
    await say(alice, `u:${bob.person.userId}`, "hello");
    const where = `/v1/conversations/${conversationId}`;
    expect((await call(bob, "PATCH", where, { hidden: true, clear: true })).body).toMatchObject({
      ...{ hiddenSeq: 1, clearedSeq: 1, lastSeq: 1 },
    });
    const tablet = await cluster.online(await cluster.device(bob.person, "tablet"), "tcp");
    const listed = async () => (await tablet.request(Command.SYNC, {})).payload.conversations;
    expect(await listed()).toMatchObject([{ conversationId, hiddenSeq: 1 }]);
    expect((await call(bob, "GET", "/v1/conversations")).body.items).toMatchObject([{ conversationId, hiddenSeq: 1 }]);
    expect((await call(alice, "GET", where)).body).not.toHaveProperty("hiddenSeq");
    // It can be taken back, and is over with the next message.
    expect((await call(bob, "PATCH", where, { hidden: false })).body).not.toHaveProperty("hiddenSeq");
    expect((await call(bob, "PATCH", where, { hidden: true })).body.hiddenSeq).toBe(1);
    expect((await call(bob, "PATCH", where, { muted: true })).body.hiddenSeq).toBe(1);
    await say(alice, `u:${bob.person.userId}`, "again");
    await until("it is listed again", async () => (await listed())[0].lastSeq === 2);
    expect((await listed())[0]).not.toHaveProperty("hiddenSeq");
    expect((await call(bob, "PATCH", "/v1/conversations/p:a:b", { hidden: true })).body.name).toBe(
      "NO_SUCH_CONVERSATION",
    );
  });

  test("clearing removes the present messages from the user's own view, and from nobody else's", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const conversationId = privateConversationId(alice.person.userId, bob.person.userId);
    const where = `/v1/conversations/${conversationId}`;
    for (const text of ["one", "two", "three"]) await say(alice, `u:${bob.person.userId}`, text);
    expect((await call(bob, "PATCH", where, { clearedSeq: 2 })).body).toMatchObject({
      clearedSeq: 2,
      unread: 1,
      preview: { text: "three" },
    });
    expect(await history(bob, conversationId)).toEqual(["three"]);
    const all = (await call(bob, "PATCH", where, { clear: true })).body;
    expect(all).toMatchObject({ clearedSeq: 3, unread: 0, lastSeq: 3 });
    expect(all).not.toHaveProperty("preview");
    expect((await call(bob, "PATCH", where, { clearedSeq: 1 })).body.clearedSeq).toBe(3);
    expect(await history(bob, conversationId)).toEqual([]);
    // A device that fills its gaps gets all numbers, and no content that was cleared.
    expect(await pulled(bob, conversationId)).toEqual([undefined, undefined, undefined]);
    expect(await history(alice, conversationId)).toEqual(["one", "two", "three"]);
    await say(alice, `u:${bob.person.userId}`, "four");
    expect(await history(bob, conversationId)).toEqual(["four"]);
    expect((await call(bob, "GET", where)).body).toMatchObject({ unread: 1, preview: { text: "four" } });
    // A number beyond the end counts as the end: later messages are not cleared.
    expect((await call(bob, "PATCH", where, { clearedSeq: 1_000 })).body.clearedSeq).toBe(4);
    await say(alice, `u:${bob.person.userId}`, "five");
    expect(await history(bob, conversationId)).toEqual(["five"]);
  });

  test("are nobody else's business", async () => {
    const [alice, bob, mallory] = [await member("alice"), await member("bob"), await member("mallory")];
    const conversationId = privateConversationId(alice.person.userId, bob.person.userId);
    await say(alice, `u:${bob.person.userId}`, "secret");
    for (const [method, body] of [["GET"], ["PATCH", { pinned: true }], ["PATCH", { clear: true }]] as const) {
      const answer = await call(mallory, method, `/v1/conversations/${conversationId}`, body);
      expect(answer).toMatchObject({ status: 404, body: { name: "NO_SUCH_CONVERSATION" } });
    }
    const readers = await call(mallory, "GET", `/v1/conversations/${conversationId}/messages/1/readers`);
    expect(readers.body.name).toBe("NO_SUCH_CONVERSATION");
  });
});

describe("in a group", () => {
  async function group(owner: Member, others: Member[]): Promise<{ groupId: string; conversationId: string }> {
    const members = others.map(({ person }) => person.userId);
    const { body } = await call(owner, "POST", "/v1/groups", { name: "choir", joinPolicy: "invite", members });
    return { groupId: body.groupId, conversationId: `g:${body.groupId}` };
  }

  const row = async (who: Member, conversationId: string): Promise<ConversationRow> =>
    (await call(who, "GET", `/v1/conversations/${conversationId}`)).body;

  test("a new member sees no earlier messages, not even in the preview", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const { groupId, conversationId } = await group(alice, []);
    await say(alice, `g:${groupId}`, "only for those who were here");
    await call(alice, "POST", `/v1/groups/${groupId}/members`, { userId: bob.person.userId });
    expect(await row(bob, conversationId)).not.toHaveProperty("preview");
    await say(alice, `g:${groupId}`, "welcome");
    expect(await row(bob, conversationId)).toMatchObject({ unread: 1, preview: { text: "welcome" } });
  });

  test("clearing holds for a large group as well, whose newest events are at hand", async () => {
    const [alice, ...others] = await Promise.all([1, 2, 3, 4, 5].map((i) => member(`singer${i}`)));
    const { groupId, conversationId } = await group(alice!, others);
    await say(alice!, `g:${groupId}`, "one");
    const seq = await say(alice!, `g:${groupId}`, "two");
    const bob = others[0]!;
    expect((await call(bob, "PATCH", `/v1/conversations/${conversationId}`, { clearedSeq: seq - 1 })).status).toBe(200);
    expect(await history(bob, conversationId)).toEqual(["two"]);
    expect(await history(others[1]!, conversationId)).toHaveLength(3);
  });

  test("readers are named, page by page, without the sender and without those who could not read it", async () => {
    const people = await Promise.all(["alice", "bob", "carl"].map(member));
    const [alice, bob, carl] = people as [Member, Member, Member];
    const { groupId, conversationId } = await group(alice, [bob, carl]);
    const seq = await say(alice, `g:${groupId}`, "who reads this?");
    const where = `/v1/conversations/${conversationId}/messages/${seq}/readers`;
    expect(await call(alice, "GET", where)).toEqual({ status: 200, body: { items: [] } });
    for (const each of people) await read(each, conversationId, seq);
    const expected = [bob, carl].map(({ person }) => ({ userId: person.userId, readSeq: seq }));
    expected.sort((a, b) => (a.userId < b.userId ? -1 : 1));
    await until("both have read it", async () => (await call(carl, "GET", where)).body.items.length === 2);
    const first = (await call(alice, "GET", `${where}?limit=1`)).body;
    const second = (await call(alice, "GET", `${where}?limit=1&cursor=${first.cursor}`)).body;
    expect([...first.items, ...second.items]).toEqual(expected);
    expect(second.cursor).toBeUndefined();

    const dora = await member("dora");
    await call(alice, "POST", `/v1/groups/${groupId}/members`, { userId: dora.person.userId });
    expect((await call(dora, "GET", where)).body.name).toBe("NO_SUCH_MESSAGE");
    const later = await say(alice, `g:${groupId}`, "and this?");
    await read(dora, conversationId, later);
    const ofLater = `/v1/conversations/${conversationId}/messages/${later}/readers`;
    await until("dora has read the later one", async () =>
      (await call(alice, "GET", ofLater)).body.items.some(({ userId }: Person) => userId === dora.person.userId),
    );
    expect((await call(alice, "GET", where)).body.items).toEqual(expected);
    expect((await call(alice, "GET", ofLater.replace(`/${later}/`, "/999/"))).body.name).toBe("NO_SUCH_MESSAGE");
  });

  test("a large group shows the number of readers only", async () => {
    const [alice, ...others] = await Promise.all([1, 2, 3, 4, 5].map((i) => member(`reader${i}`)));
    const { groupId, conversationId } = await group(alice!, others);
    const seq = await say(alice!, `g:${groupId}`, "who reads this?");
    for (const each of others.slice(0, 3)) await read(each, conversationId, seq);
    const where = `/v1/conversations/${conversationId}/messages/${seq}/readers`;
    await until("three have read it", async () => {
      const { body } = await call(alice!, "GET", where);
      expect(Object.keys(body)).toEqual(["count"]);
      return body.count === 3;
    });
  });
});

test("in a private conversation the reader is the peer", async () => {
  const [alice, bob] = [await member("alice"), await member("bob")];
  const conversationId = privateConversationId(alice.person.userId, bob.person.userId);
  await say(alice, `u:${bob.person.userId}`, "hello");
  await read(bob, conversationId, 1);
  const where = `/v1/conversations/${conversationId}/messages/1/readers`;
  const expected = { items: [{ userId: bob.person.userId, readSeq: 1 }] };
  await until("bob has read it", async () => (await call(alice, "GET", where)).body.items.length === 1);
  expect((await call(alice, "GET", where)).body).toEqual(expected);
  expect((await call(bob, "GET", where)).body).toEqual(expected);
});
