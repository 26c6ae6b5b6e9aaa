/** Groups: membership, the right to write, and the view of each member. Changes come over HTTP, and show over the socket. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type RawTransport, rawTransports, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs, type Member, newMember } from "./fixtures/member";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const patience = 20_000;
/** Commands that tell a user of a conversation besides its events. */
const TELLING = new Set<number>([Command.NOTIFY, Command.TYPING]);

/** The default transport. */
let usual: RawTransport = "tcp";

const member = (name: string, transport = usual) => newMember(cluster, name, transport);

const call = (who: Member, method: string, path: string, body?: unknown) =>
  callAs(cluster, who, method, `/v1/groups${path}`, body);

async function newGroup(owner: Member, others: Member[], joinPolicy = "invite"): Promise<string> {
  const members = others.map(({ person }) => person.userId);
  const answer = await call(owner, "POST", "", { name: "choir", joinPolicy, members });
  expect(answer).toMatchObject({
    status: 201,
    body: { ownerId: owner.person.userId, memberCount: members.length + 1 },
  });
  return answer.body.groupId;
}

const say = async ({ client }: Member, groupId: string, content: string): Promise<string> => {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `g:${groupId}`, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  return answer.command === Command.SENT ? `SENT ${answer.payload.seq}` : answer.payload.name;
};

/** Returns the events that a member was shown of a group: numbers with the text, or the kind of the change. */
const shown = ({ client }: Member, groupId: string) =>
  client.events
    .filter(({ event }) => event["conversationId"] === `g:${groupId}`)
    .map(({ event }) => {
      const content = event["content"] as string;
      return `${event["seq"]} ${event["kind"] === "system" ? JSON.parse(content).type : content}`;
    });

const sees = (who: Member, groupId: string, expected: string[]) =>
  until(`${who.person.userId} sees ${expected}`, () => shown(who, groupId).join() === expected.join(), patience);

const close = (...members: Member[]) => {
  for (const { client } of members) client.close();
};

test("all members get all messages in one order, for each writer and transport", async () => {
  const people = await Promise.all(rawTransports.map((transport) => member("singer", transport)));
  const [a, b, c, d] = people as [Member, Member, Member, Member];
  const groupId = await newGroup(a, [b, c, d]);
  expect(await say(a, groupId, "one")).toBe("SENT 2");
  expect(await say(b, groupId, "two")).toBe("SENT 3");
  expect(await say(c, groupId, "three")).toBe("SENT 4");
  expect(await say(d, groupId, "four")).toBe("SENT 5");
  for (const each of people) await sees(each, groupId, ["1 created", "2 one", "3 two", "4 three", "5 four"]);
  await Promise.all(Array.from({ length: 40 }, (_, i) => say(people[i % 4]!, groupId, `at once ${i}`)));
  for (const each of people) await until("all of them", () => shown(each, groupId).length === 45, patience);
  const orders = new Set(people.map((each) => shown(each, groupId).join()));
  expect(orders.size).toBe(1);
  expect(shown(a, groupId).map((line) => Number.parseInt(line, 10))).toEqual(
    Array.from({ length: 45 }, (_, i) => i + 1),
  );
  close(...people);
});

describe.each(["tcp", "ws"] as const)("over %s", (transport) => {
  beforeAll(() => {
    usual = transport;
  });

  test("a member sees the messages since their join, and none after they left", async () => {
    const [anna, bert, carl] = await Promise.all([member("anna"), member("bert"), member("carl")]);
    const groupId = await newGroup(anna, [bert]);
    await say(anna, groupId, "before carl");
    expect(await call(anna, "POST", `/${groupId}/members`, { userId: carl.person.userId })).toMatchObject({
      status: 201,
    });
    expect(await say(carl, groupId, "here I am")).toBe("SENT 4");
    await sees(carl, groupId, ["3 joined", "4 here I am"]);
    const history = async (who: Member) =>
      cluster.http("GET", `/v1/conversations/g:${groupId}/messages`, { token: who.person.token });
    expect((await history(carl)).body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([3, 4]);
    expect((await history(bert)).body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([1, 2, 3, 4]);
    const pulled = await carl.client.request(Command.PULL, { conversationId: `g:${groupId}`, fromSeq: 1 });
    expect(pulled.payload.events.map(({ seq }: { seq: number }) => seq)).toEqual([3, 4]);

    expect(await call(anna, "DELETE", `/${groupId}/members/${carl.person.userId}`)).toMatchObject({ status: 204 });
    // The change was answered: from now on no worker lets the former member write, whatever it has cached.
    expect(await say(carl, groupId, "still there")).toBe("NOT_A_MEMBER");
    expect(await say(bert, groupId, "without carl")).toBe("SENT 6");
    await sees(bert, groupId, ["1 created", "2 before carl", "3 joined", "4 here I am", "5 removed", "6 without carl"]);
    await sees(carl, groupId, ["3 joined", "4 here I am", "5 removed"]);
    expect((await history(carl)).body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([3, 4, 5]);

    expect(await call(anna, "POST", `/${groupId}/members`, { userId: carl.person.userId })).toMatchObject({
      status: 201,
    });
    expect(await say(anna, groupId, "welcome back")).toBe("SENT 8");
    await sees(carl, groupId, ["3 joined", "4 here I am", "5 removed", "7 joined", "8 welcome back"]);
    expect((await history(carl)).body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([3, 4, 5, 7, 8]);
    close(anna, bert, carl);
  });

  test("a group is in the lists of its members, and leaves them with them", async () => {
    const [anna, bert] = await Promise.all([member("anna"), member("bert")]);
    const groupId = await newGroup(anna, [bert]);
    await say(anna, groupId, "hello");
    const listed = async (who: Member) => {
      const { body } = await cluster.http("GET", "/v1/conversations", { token: who.person.token });
      return body.items.map(({ conversationId, unread }: { conversationId: string; unread: number }) => [
        conversationId,
        unread,
      ]);
    };
    await until("listed", async () => (await listed(bert)).join() === `g:${groupId},1`, patience);
    expect((await call(bert, "GET", "")).body.items).toMatchObject([{ groupId, name: "choir" }]);
    expect(await call(bert, "DELETE", `/${groupId}/members/me`)).toMatchObject({ status: 204 });
    await until("no more", async () => (await listed(bert)).length === 0, patience);
    expect((await call(bert, "GET", "")).body.items).toEqual([]);
    expect((await call(anna, "GET", `/${groupId}/members`)).body.items).toEqual([
      { userId: anna.person.userId, role: "owner", mutedUntil: 0 },
    ]);
    close(anna, bert);
  });

  test("open, by approval, by invitation", async () => {
    const [anna, bert, carl] = await Promise.all([member("anna"), member("bert"), member("carl")]);
    const open = await newGroup(anna, [], "open");
    const join = (who: Member, groupId: string, userId = who.person.userId) =>
      call(who, "POST", `/${groupId}/members`, { userId });
    expect(await join(bert, open)).toMatchObject({ status: 201, body: { state: "joined" } });
    expect(await join(bert, open)).toMatchObject({ status: 201, body: { state: "joined" } });
    expect(await join(bert, open, carl.person.userId)).toMatchObject({ status: 201 });
    expect((await call(anna, "GET", `/${open}`)).body).toMatchObject({ memberCount: 3 });

    const guarded = await newGroup(anna, [], "approval");
    expect(await join(bert, guarded)).toMatchObject({ status: 202, body: { state: "asked" } });
    expect(await say(bert, guarded, "not yet")).toBe("NOT_A_MEMBER");
    expect((await call(anna, "GET", `/${guarded}/requests`)).body.items).toMatchObject([
      { userId: bert.person.userId },
    ]);
    expect(await call(bert, "POST", `/${guarded}/requests/${bert.person.userId}/accept`)).toMatchObject({
      status: 403,
    });
    expect(await call(anna, "POST", `/${guarded}/requests/${bert.person.userId}/accept`)).toMatchObject({
      status: 204,
    });
    expect(await say(bert, guarded, "now")).toMatch("SENT");
    expect(await join(carl, guarded)).toMatchObject({ status: 202 });
    expect(await call(anna, "POST", `/${guarded}/requests/${carl.person.userId}/reject`)).toMatchObject({
      status: 204,
    });
    expect((await call(anna, "GET", `/${guarded}/requests`)).body.items).toEqual([]);

    const closed = await newGroup(anna, [bert]);
    expect(await join(carl, closed)).toMatchObject({ status: 404, body: { name: "NOT_FOUND" } });
    expect(await join(bert, closed, carl.person.userId)).toMatchObject({ status: 403 });
    expect(await call(carl, "GET", `/${closed}`)).toMatchObject({ status: 404 });
    close(anna, bert, carl);
  });

  test("roles decide about muting, removing, promoting, transferring, dissolving", async () => {
    const people = await Promise.all(["owner", "admin", "member", "other"].map((name) => member(name)));
    const [owner, admin, common, other] = people as [Member, Member, Member, Member];
    const groupId = await newGroup(owner, [admin, common, other]);
    const patch = (who: Member, whom: Member, body: object) =>
      call(who, "PATCH", `/${groupId}/members/${whom.person.userId}`, body);
    expect(await patch(admin, common, { role: "admin" })).toMatchObject({ status: 403 });
    expect(await patch(owner, admin, { role: "admin" })).toMatchObject({ status: 204 });
    expect(await patch(admin, owner, { mutedUntil: Date.now() + 60_000 })).toMatchObject({ status: 403 });
    expect(await patch(common, other, { mutedUntil: Date.now() + 60_000 })).toMatchObject({ status: 403 });
    expect(await patch(admin, common, { mutedUntil: Date.now() + 60_000 })).toMatchObject({ status: 204 });
    expect(await say(common, groupId, "psst")).toBe("GROUP_MUTED");
    expect(await patch(admin, common, { mutedUntil: 0 })).toMatchObject({ status: 204 });
    expect(await say(common, groupId, "thanks")).toMatch("SENT");

    expect(await call(admin, "PATCH", `/${groupId}`, { muted: true, name: "quiet choir" })).toMatchObject({
      status: 200,
      body: { muted: true, name: "quiet choir" },
    });
    expect(await say(common, groupId, "may I?")).toBe("GROUP_MUTED");
    expect(await say(admin, groupId, "I may")).toMatch("SENT");
    expect(await call(admin, "PATCH", `/${groupId}`, { muted: false })).toMatchObject({ status: 200 });

    expect(await call(owner, "DELETE", `/${groupId}/members/me`)).toMatchObject({ status: 409 });
    expect(await call(admin, "DELETE", `/${groupId}`)).toMatchObject({ status: 403 });
    expect(await call(owner, "POST", `/${groupId}/transfer`, { userId: common.person.userId })).toMatchObject({
      status: 200,
      body: { ownerId: common.person.userId },
    });
    expect(await call(common, "DELETE", `/${groupId}`)).toMatchObject({ status: 204 });
    expect(await call(common, "DELETE", `/${groupId}`)).toMatchObject({ status: 204 });
    for (const each of people) expect(await say(each, groupId, "anybody?")).toBe("GROUP_DISSOLVED");
    expect(await call(owner, "POST", `/${groupId}/members`, { userId: owner.person.userId })).toMatchObject({
      status: 201,
    });
    await sees(other, groupId, [
      "1 created",
      "2 role",
      "3 member-muted",
      "4 member-muted",
      "5 thanks",
      "6 profile",
      "7 muted",
      "8 I may",
      "9 muted",
      "10 transferred",
      "11 dissolved",
    ]);
    close(...people);
  });

  test("a stranger tries everything, and learns nothing", async () => {
    const [anna, mallory] = await Promise.all([member("anna"), member("mallory")]);
    const groupId = await newGroup(anna, []);
    await say(anna, groupId, "secret");
    const conversationId = `g:${groupId}`;
    for (const target of [conversationId, "g:no-such-group"]) {
      const id = target.slice(2);
      expect(await say(mallory, id, "hello?")).toBe("NOT_A_MEMBER");
      expect(
        (await mallory.client.request(Command.PULL, { conversationId: target, fromSeq: 1 })).payload,
      ).toMatchObject({
        name: "NO_SUCH_CONVERSATION",
      });
      expect((await mallory.client.request(Command.READ, { conversationId: target, seq: 1 })).payload).toMatchObject({
        name: "NO_SUCH_CONVERSATION",
      });
      const recall = { clientMsgId: uuidv7(Date.now()), conversationId: target, targetSeq: 2 };
      // The stranger must not learn whether such a message exists; in a group that does not exist the question has no effect.
      const verdict = (await mallory.client.request(Command.RECALL, recall)).payload.name;
      expect(["NOT_A_MEMBER", "NO_SUCH_MESSAGE", "BUSY"]).toContain(verdict);
      mallory.client.send(Command.TYPING, { conversationId: target });
      expect((await mallory.client.request(Command.FOCUS, { conversationId: target })).command).toBe(Command.OK);
      const history = await cluster.http("GET", `/v1/conversations/${target}/messages`, {
        token: mallory.person.token,
      });
      expect(history).toMatchObject({ status: 404, body: { name: "NO_SUCH_CONVERSATION" } });
      expect(await call(mallory, "GET", `/${id}`)).toMatchObject({ status: 404 });
      expect(await call(mallory, "GET", `/${id}/members`)).toMatchObject({
        status: 403,
        body: { name: "NOT_A_MEMBER" },
      });
      for (const [method, path, body] of [
        ["PATCH", `/${id}`, { name: "mine" }],
        ["DELETE", `/${id}`, undefined],
        ["POST", `/${id}/transfer`, { userId: mallory.person.userId }],
        ["DELETE", `/${id}/members/${anna.person.userId}`, undefined],
        ["PATCH", `/${id}/members/${anna.person.userId}`, { mutedUntil: 1 }],
      ] as const) {
        expect(await call(mallory, method, path, body)).toMatchObject({ status: 403, body: { name: "NOT_A_MEMBER" } });
      }
    }
    expect(await say(anna, groupId, "another secret")).toBe("SENT 3");
    await sees(anna, groupId, ["1 created", "2 secret", "3 another secret"]);
    expect(mallory.client.events).toEqual([]);
    // The stranger's typing reaches nobody, and no notice reaches the stranger.
    const told = (who: Member) => who.client.frames.filter(({ command }) => TELLING.has(command));
    expect([told(anna), told(mallory)]).toEqual([[], []]);
    close(anna, mallory);
  });
});
