/** Groups that operators and other systems administer, over HTTP and by the command line, and their members' view. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { createPool } from "mysql2/promise";
import { newPeople } from "./fixtures/member";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(120_000);

let cluster: TestCluster;
/** Of all that is needed here. */
let key: string;

beforeAll(async () => {
  cluster = await startTestCluster({ env: { CARILLON_GROUPS_MAX_MEMBERS: "300" } });
  key = await newKey("users,groups,moderation");
}, 300_000);

afterAll(() => cluster.stop(), 60_000);

async function newKey(scopes: string): Promise<string> {
  return (await runCarillon(cluster, "keys", "create", "a test", "--scopes", scopes)).document.key;
}

const call = (method: string, where: string, body?: object, token = key) =>
  cluster.http(method, where, { token, ...(body === undefined ? {} : { body }) });

const people = <const Names extends readonly string[]>(...names: Names) => newPeople(cluster, names);

const idsOf = (persons: Person[]) => persons.map(({ userId }) => userId);

async function newGroup(owner: Person, members: Person[], joinPolicy = "invite"): Promise<string> {
  const wanted = { ownerId: owner.userId, name: "choir", joinPolicy, members: idsOf(members) };
  const { status, body } = await call("POST", "/v1/admin/groups", wanted);
  expect(status).toBe(201);
  return body.groupId;
}

const memberIds = async (groupId: string): Promise<string[]> =>
  (await call("GET", `/v1/admin/groups/${groupId}/members?limit=200`)).body.items.map(({ userId }: Person) => userId);

async function say(client: RawClient, groupId: string, content: string): Promise<string | number> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `g:${groupId}`, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  return answer.command === Command.SENT ? answer.payload.seq : answer.payload.name;
}

/** Each once: what a device does not acknowledge comes again. */
function systemEvents(client: RawClient, groupId: string) {
  const ofGroup = client.events.filter(({ event }) => event["conversationId"] === `g:${groupId}`);
  const bySeq = new Map(ofGroup.map(({ event }) => [event["seq"], event]));
  return [...bySeq.values()]
    .filter(({ kind }) => kind === "system")
    .map(({ senderId, content }) => ({ senderId, ...JSON.parse(content as string) }));
}

const seen = (client: RawClient, groupId: string, count: number) =>
  until(`${count} events`, () => systemEvents(client, groupId).length === count);

test("a back end creates a group and fills it: one event for all, and a result for each", async () => {
  const [anna, bert, carl, dora] = await people("anna", "bert", "carl", "dora");
  const device = await cluster.online(bert, "tcp");
  // Neither consent nor a block is asked for: the back end answers for it.
  await cluster.http("PATCH", "/v1/users/me", { token: carl.token, body: { whoMayAdd: "consent" } });
  await cluster.http("PUT", `/v1/blocks/${anna.userId}`, { token: dora.token });
  const groupId = await newGroup(anna, [bert]);
  const userIds = [bert.userId, carl.userId, dora.userId, "nobody-of-this-name"];
  const added = await call("POST", `/v1/admin/groups/${groupId}/members`, { userIds });
  expect(added.body.items).toEqual([
    { userId: bert.userId, state: "member" },
    { userId: carl.userId, state: "joined" },
    { userId: dora.userId, state: "joined" },
    { userId: "nobody-of-this-name", state: "no-such-user" },
  ]);
  await seen(device, groupId, 2);
  expect(systemEvents(device, groupId)).toEqual([
    { senderId: anna.userId, by: "operator", type: "created", userIds: [bert.userId] },
    { senderId: anna.userId, by: "operator", type: "joined", userIds: [carl.userId, dora.userId] },
  ]);
  const removed = await call("POST", `/v1/admin/groups/${groupId}/members/remove`, {
    userIds: [anna.userId, carl.userId, dora.userId, "nobody-of-this-name"],
  });
  expect(removed.body.items.map(({ state }: { state: string }) => state)).toEqual([
    "owner",
    "removed",
    "removed",
    "absent",
  ]);
  await seen(device, groupId, 3);
  expect((await memberIds(groupId)).sort()).toEqual(idsOf([anna, bert]).sort());
  // Again, after a lost answer: nothing changes, and the whole group stays in order.
  await call("POST", `/v1/admin/groups/${groupId}/members/remove`, { userIds: [carl.userId] });
  expect(await say(device, groupId, "still here")).toBe(4);
  device.close();
});

test("hundreds come by one call, as many as there is room for", async () => {
  const owner = await cluster.person("owner");
  const crowd = Array.from({ length: 320 }, (_, i) => `crowd${i}`);
  const pool = createPool({ uri: cluster.info().mysql.url });
  await pool.query("INSERT INTO users (id, folded_id, display_name, created_at) VALUES ?", [
    crowd.map((id) => [id, id, id, Date.now()]),
  ]);
  await pool.end();
  const groupId = await newGroup(owner, []);
  const { body } = await call("POST", `/v1/admin/groups/${groupId}/members`, { userIds: crowd });
  const states = body.items.map(({ state }: { state: string }) => state);
  expect([states.indexOf("full"), states.filter((state: string) => state === "joined").length]).toEqual([299, 299]);
  const history = (await call("GET", `/v1/admin/groups/${groupId}/messages`)).body.messages;
  expect(history.map(({ content }: { content: string }) => JSON.parse(content).userIds.length)).toEqual([0, 299]);
  const tooMany = Array.from({ length: 401 }, (_, i) => `u${i}`);
  const refused = await call("POST", `/v1/admin/groups/${groupId}/members`, { userIds: tooMany });
  expect(refused.body.name).toBe("BAD_PAYLOAD");
});

test("a group whose owner is disabled continues under another owner", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const groupId = await newGroup(anna, [bert, carl]);
  expect((await call("POST", `/v1/admin/users/${anna.userId}/disable`)).status).toBe(204);
  const asMember = { token: bert.token, body: { userId: bert.userId } };
  expect((await cluster.http("POST", `/v1/groups/${groupId}/transfer`, asMember)).body.name).toBe("FORBIDDEN");
  const given = () => call("POST", `/v1/admin/groups/${groupId}/transfer`, { userId: bert.userId });
  for (let time = 1; time <= 2; time++) expect((await given()).body).toMatchObject({ ownerId: bert.userId });
  const renamed = { token: bert.token, body: { name: "band" } };
  expect((await cluster.http("PATCH", `/v1/groups/${groupId}`, renamed)).body.name).toBe("band");
  const history = (await call("GET", `/v1/admin/groups/${groupId}/messages`)).body.messages;
  expect(history.map(({ content }: { content: string }) => JSON.parse(content).type)).toEqual([
    "created",
    "transferred",
    "profile",
  ]);
});

test("roles, settings and the end of a group; a stranger's id, and a group that is none", async () => {
  const [anna, bert] = await people("anna", "bert");
  const groupId = await newGroup(anna, [bert]);
  const where = `/v1/admin/groups/${groupId}`;
  expect((await call("PATCH", `${where}/members/${bert.userId}`, { role: "admin" })).status).toBe(204);
  const { body: members } = await call("GET", `${where}/members`);
  expect(members.items).toContainEqual({ userId: bert.userId, role: "admin", mutedUntil: 0 });
  const changed = await call("PATCH", where, { name: "band", joinPolicy: "open", muted: true });
  expect(changed.body).toMatchObject({ name: "band", joinPolicy: "open", muted: true });
  expect((await call("POST", `${where}/transfer`, { userId: "nobody" })).body.name).toBe("NOT_FOUND");
  const own = await call("PATCH", `${where}/members/${anna.userId}`, { role: "member" });
  expect(own.body.name).toBe("FORBIDDEN");
  for (let time = 1; time <= 2; time++) expect((await call("DELETE", where)).status).toBe(204);
  expect((await call("GET", where)).body).toMatchObject({ dissolved: true });
  expect((await call("POST", `${where}/members`, { userIds: [bert.userId] })).body.name).toBe("GROUP_DISSOLVED");
  for (const [method, rest, body] of [
    ["GET", "", undefined],
    ["GET", "/members", undefined],
    ["PATCH", "", { name: "x" }],
    ["DELETE", "", undefined],
    ["POST", "/transfer", { userId: bert.userId }],
    ["POST", "/members", { userIds: [bert.userId] }],
    ["POST", "/members/remove", { userIds: [bert.userId] }],
  ] as const) {
    const { status } = await call(method, `/v1/admin/groups/no-such-group${rest}`, body);
    expect([method, rest, status]).toEqual([method, rest, 404]);
  }
});

test("the same request with an id brings the same group; members must exist", async () => {
  const [anna, bert] = await people("anna", "bert");
  const groupId = `made-${anna.userId}`.slice(0, 32);
  const wanted = { groupId, ownerId: anna.userId, name: "choir", joinPolicy: "invite", members: [bert.userId] };
  const make = (change: object = {}) => call("POST", "/v1/admin/groups", { ...wanted, ...change });
  expect((await make()).status).toBe(201);
  await call("POST", `/v1/admin/groups/${groupId}/members/remove`, { userIds: [bert.userId] });
  expect(await make()).toMatchObject({ status: 200, body: { groupId, memberCount: 1 } });
  expect((await make({ ownerId: bert.userId })).body.name).toBe("CONFLICT");
  const strange = await make({ groupId: `${groupId}x`.slice(-32), members: ["nobody-of-this-name"] });
  expect(strange.body).toMatchObject({ name: "NO_SUCH_USER", message: expect.stringContaining("nobody-of") });
});

test("operators read the messages of a group and recall any of them, also those of users who may write no more", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const [fromBert, fromCarl] = [await cluster.online(bert, "tcp"), await cluster.online(carl, "ws")];
  const groupId = await newGroup(anna, [bert, carl]);
  const seq = await say(fromBert, groupId, "what nobody should read");
  const private1 = { to: `u:${carl.userId}`, clientMsgId: uuidv7(Date.now()), contentType: "text", content: "psst" };
  const sent = (await fromBert.request(Command.SEND, private1)).payload;
  await call("POST", `/v1/admin/users/${bert.userId}/disable`);
  await call("POST", `/v1/admin/groups/${groupId}/members/remove`, { userIds: [bert.userId] });
  const recall = (conversationId: string, number: unknown, token = key) =>
    call("POST", `/v1/admin/conversations/${conversationId}/messages/${number}/recall`, undefined, token);
  for (const [conversationId, number] of [
    [`g:${groupId}`, seq],
    [sent.conversationId, sent.seq],
  ]) {
    for (let time = 1; time <= 2; time++) expect((await recall(conversationId, number)).status).toBe(204);
    await until("everybody hears it", () =>
      fromCarl.events.some(({ event }) => {
        return (
          event["conversationId"] === conversationId && event["kind"] === "recall" && event["targetSeq"] === number
        );
      }),
    );
  }
  const read = await until("the archive has it", async () => {
    const { messages } = (await call("GET", `/v1/admin/groups/${groupId}/messages`)).body;
    return messages.find((one: { seq: number; content?: string }) => one.seq === seq).content === undefined && messages;
  });
  // Taken back once, however often it was asked for.
  expect(read.map(({ kind }: { kind: string }) => kind)).toEqual(["system", "message", "system", "recall"]);
  expect((await recall(`g:${groupId}`, 1)).body.name).toBe("RECALL_NOT_ALLOWED");
  expect((await recall(`g:${groupId}`, 99)).body.name).toBe("NO_SUCH_MESSAGE");
  expect((await recall("g:no-such-group", 1)).body.name).toBe("NO_SUCH_CONVERSATION");
  const narrow = await newKey("groups");
  expect((await recall(`g:${groupId}`, seq, narrow)).body.message).toContain("moderation");
  expect((await call("GET", `/v1/admin/groups/${groupId}/messages`, undefined, narrow)).body.name).toBe("FORBIDDEN");
});

test("a back end renames users and deletes them", async () => {
  const [anna, bert] = await people("anna", "bert");
  const device = await cluster.online(anna, "tcp");
  expect((await call("PATCH", `/v1/admin/users/${anna.userId}`, { displayName: "Anna B." })).body).toMatchObject({
    userId: anna.userId,
    displayName: "Anna B.",
  });
  expect((await cluster.http("GET", `/v1/users/${anna.userId}`, { token: bert.token })).body.displayName).toBe(
    "Anna B.",
  );
  for (let time = 1; time <= 2; time++) {
    expect((await call("DELETE", `/v1/admin/users/${anna.userId}`)).status).toBe(204);
  }
  await device.closed();
  expect((await call("GET", `/v1/admin/users/${anna.userId}`)).body.status).toBe("deleted");
  for (const [method, body] of [
    ["PATCH", { displayName: "x" }],
    ["DELETE", undefined],
  ] as const) {
    expect((await call(method, "/v1/admin/users/nobody-of-this-name", body)).body.name).toBe("NO_SUCH_USER");
  }
});

test("the command line does the same", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const device = await cluster.online(bert, "tcp");
  const groups = (...args: string[]) => runCarillon(cluster, "groups", ...args);
  const made = await groups("create", anna.userId, "choir", bert.userId, "--join", "open");
  expect(made).toMatchObject({ code: 0, document: { group: { ownerId: anna.userId, memberCount: 2 } } });
  const { groupId } = made.document.group;
  expect((await groups("add", groupId, carl.userId, "nobody")).document.members).toEqual([
    { userId: carl.userId, state: "joined" },
    { userId: "nobody", state: "no-such-user" },
  ]);
  await groups("role", groupId, carl.userId, "admin");
  expect((await groups("transfer", groupId, bert.userId)).document.group.ownerId).toBe(bert.userId);
  expect((await groups("change", groupId, "--name", "band")).document.group.name).toBe("band");
  expect((await groups("remove", groupId, anna.userId)).document.members).toMatchObject([{ state: "removed" }]);
  const shown = (await groups("show", groupId)).document;
  expect(shown.members.map(({ userId, role }: { userId: string; role: string }) => [userId, role])).toEqual(
    [
      [bert.userId, "owner"],
      [carl.userId, "admin"],
    ].sort(),
  );
  expect((await groups("list", "--limit", "1")).document.groups).toHaveLength(1);
  expect((await groups("dissolve", groupId)).document.group.dissolved).toBe(true);
  await seen(device, groupId, 7);
  expect(systemEvents(device, groupId).map(({ type, by }) => [type, by])).toEqual(
    ["created", "joined", "role", "transferred", "profile", "removed", "dissolved"].map((type) => [type, "operator"]),
  );
  const { code, stderr } = await groups("transfer", "no-such-group", bert.userId);
  expect([code, stderr]).toEqual([2, expect.stringContaining("no such group")]);
});
