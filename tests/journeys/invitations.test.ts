/** The rules for adding users to a group: users who want to be asked, who block, who have left; and the view of strangers. */
import { Command } from "@carillon/protocol";
import { type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs, newPeople } from "./fixtures/member";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster();
}, 180_000);

afterAll(() => cluster.stop(), 60_000);

const call = (person: Person, method: string, where: string, body?: object) =>
  callAs(cluster, { person }, method, where, body);

const people = <const Names extends readonly string[]>(...names: Names) => newPeople(cluster, names);

async function newGroup(owner: Person, members: Person[], joinPolicy = "invite") {
  const wanted = { name: "choir", joinPolicy, members: members.map(({ userId }) => userId) };
  const { status, body } = await call(owner, "POST", "/v1/groups", wanted);
  expect([status, body]).toEqual([201, expect.any(Object)]);
  return body as { groupId: string; memberCount: number; invited?: string[] };
}

const add = (who: Person, groupId: string, { userId }: Person) =>
  call(who, "POST", `/v1/groups/${groupId}/members`, { userId });
const memberIds = async (who: Person, groupId: string): Promise<string[]> =>
  (await call(who, "GET", `/v1/groups/${groupId}/members`)).body.items.map(({ userId }: Person) => userId);
const invitations = async (who: Person) => (await call(who, "GET", "/v1/group-invitations")).body.items;
const prefer = (who: Person, body: object) => call(who, "PATCH", "/v1/users/me", body);

test("a user who wants to be asked is asked, and joins if they like", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  expect((await prefer(bert, { whoMayAdd: "consent" })).body).toMatchObject({ whoMayAdd: "consent" });
  const phone = await cluster.online(bert, "tcp");
  const { groupId, memberCount, invited } = await newGroup(anna, [bert, carl]);
  expect([memberCount, invited]).toEqual([2, [bert.userId]]);
  await until("the device hears of it", () =>
    phone.frames.some(({ command, payload }) => command === Command.CHANGED && payload.what === "groups"),
  );
  expect(await invitations(bert)).toEqual([
    { groupId, name: "choir", memberCount: 2, inviterId: anna.userId, invitedAt: expect.any(Number) },
  ]);
  expect((await call(bert, "POST", `/v1/group-invitations/${groupId}/accept`)).status).toBe(204);
  expect(await memberIds(anna, groupId)).toContain(bert.userId);
  expect(await invitations(bert)).toEqual([]);
  // Again, after a lost answer.
  expect((await call(bert, "POST", `/v1/group-invitations/${groupId}/accept`)).status).toBe(204);
  phone.close();
});

test("an invitation that was turned down is not repeated, and ends with the rights of the inviter", async () => {
  const [anna, bert, carl, dora] = await people("anna", "bert", "carl", "dora");
  for (const one of [bert, dora]) await prefer(one, { whoMayAdd: "consent" });
  const { groupId } = await newGroup(anna, [carl]);
  expect((await add(anna, groupId, bert)).body).toEqual({ userId: bert.userId, state: "invited" });
  expect((await call(bert, "POST", `/v1/group-invitations/${groupId}/reject`)).status).toBe(204);
  expect((await add(anna, groupId, bert)).body.state).toBe("invited");
  expect(await invitations(bert)).toEqual([]);
  expect((await call(bert, "POST", `/v1/group-invitations/${groupId}/accept`)).body.name).toBe("NOT_FOUND");
  await call(anna, "PATCH", `/v1/groups/${groupId}/members/${carl.userId}`, { role: "admin" });
  expect((await add(carl, groupId, dora)).body.state).toBe("invited");
  await call(anna, "PATCH", `/v1/groups/${groupId}/members/${carl.userId}`, { role: "member" });
  expect((await call(dora, "POST", `/v1/group-invitations/${groupId}/accept`)).body.name).toBe("NOT_FOUND");
  expect((await memberIds(anna, groupId)).sort()).toEqual([anna.userId, carl.userId].sort());
});

test("friends may add a user who lets friends; strangers invite", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  await prefer(bert, { whoMayAdd: "friends" });
  await call(anna, "POST", "/v1/friend-requests", { userId: bert.userId });
  await call(bert, "POST", `/v1/friend-requests/${anna.userId}/accept`);
  expect(await newGroup(carl, [bert])).toMatchObject({ memberCount: 1, invited: [bert.userId] });
  expect(await newGroup(anna, [bert])).toMatchObject({ memberCount: 2 });
});

test("a blocked user cannot add the blocker to groups, and nobody sees why", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  await prefer(carl, { whoMayAdd: "consent" });
  await call(bert, "PUT", `/v1/blocks/${anna.userId}`);
  const { groupId, memberCount, invited } = await newGroup(anna, [bert, carl], "open");
  // Bert, who blocks, looks as Carl, who wants to be asked.
  expect([memberCount, invited]).toEqual([1, [bert.userId, carl.userId]]);
  expect([(await add(anna, groupId, bert)).status, (await add(anna, groupId, carl)).status]).toEqual([202, 202]);
  expect([await invitations(bert), (await invitations(carl)).length]).toEqual([[], 1]);
  expect(await memberIds(anna, groupId)).toEqual([anna.userId]);
  expect((await add(bert, groupId, anna)).body.name).toBe("NOT_A_MEMBER");
  // A user cannot add a person whom they block, and the answer may say so to them.
  const own = await newGroup(bert, []);
  expect((await add(bert, own.groupId, anna)).body.name).toBe("BLOCKED");
  // An invitation of somebody who is blocked later is not shown any more.
  await call(carl, "PUT", `/v1/blocks/${anna.userId}`);
  expect(await invitations(carl)).toEqual([]);
});

test("a user who has left is asked, whoever adds them; a removed user need not be", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const { groupId } = await newGroup(anna, [bert, carl], "open");
  await call(bert, "DELETE", `/v1/groups/${groupId}/members/me`);
  expect((await add(carl, groupId, bert)).body.state).toBe("invited");
  expect((await add(anna, groupId, bert)).body.state).toBe("invited");
  // By themselves they come as they like, in an open group.
  expect((await add(bert, groupId, bert)).body.state).toBe("joined");
  await call(anna, "DELETE", `/v1/groups/${groupId}/members/${bert.userId}`);
  expect((await add(anna, groupId, bert)).body.state).toBe("joined");
});

test("a user who has left and is invited again and again hears of it once", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const { groupId } = await newGroup(anna, [bert, carl], "open");
  await call(bert, "DELETE", `/v1/groups/${groupId}/members/me`);
  const phone = await cluster.online(bert, "tcp");
  for (let i = 0; i < 20; i++) await add(carl, groupId, bert);
  const heard = () => phone.frames.filter(({ command }) => command === Command.CHANGED).length;
  await until("the invitation is told", () => heard() > 0);
  expect((await phone.request(Command.PING)).command).toBe(Command.PONG);
  expect([heard(), (await invitations(bert)).length]).toEqual([1, 1]);
  phone.close();
});

test("coming and going, and asking and taking back, are bounded", async () => {
  const [anna, bert] = await people("anna", "bert");
  const { groupId } = await newGroup(anna, [], "open");
  const outcomes: number[] = [];
  for (let i = 0; i < 12; i++) {
    outcomes.push((await add(bert, groupId, bert)).status);
    await call(bert, "DELETE", `/v1/groups/${groupId}/members/me`);
  }
  expect(outcomes.filter((status) => status === 201)).toHaveLength(8);
  expect(outcomes.at(-1)).toBe(429);
  const requests: number[] = [];
  for (let i = 0; i < 12; i++) {
    requests.push((await call(anna, "POST", "/v1/friend-requests", { userId: bert.userId })).status);
    await call(anna, "DELETE", `/v1/friends/${bert.userId}`);
  }
  expect(requests.filter((status) => status === 201)).toHaveLength(8);
  expect(requests.at(-1)).toBe(429);
});

test("outsiders learn nothing of a group: neither that it is there, nor who belongs to it, nor who exists", async () => {
  const [anna, bert, carl, mallory] = await people("anna", "bert", "carl", "mallory");
  const { groupId } = await newGroup(anna, [bert]);
  const none = "no-such-group";
  const answers = async (where: string) => {
    const tries = [bert.userId, carl.userId, "nobody"].map((userId) =>
      call(mallory, "POST", `/v1/groups/${where}/members`, { userId }),
    );
    return (await Promise.all(tries)).map(({ body }) => body.name);
  };
  expect(await answers(groupId)).toEqual(["NOT_A_MEMBER", "NOT_A_MEMBER", "NOT_A_MEMBER"]);
  expect(await answers(none)).toEqual(await answers(groupId));
  const own = (where: string) => add(mallory, where, mallory);
  expect((await own(groupId)).body).toEqual((await own(none)).body);
  for (const [method, rest, body] of [
    ["GET", "", undefined],
    ["GET", "/members", undefined],
    ["GET", "/requests", undefined],
    ["PATCH", "", { notice: "x" }],
    ["DELETE", "", undefined],
    ["DELETE", `/members/${bert.userId}`, undefined],
    ["DELETE", "/members/me", undefined],
    ["PATCH", `/members/${bert.userId}`, { role: "admin" }],
    ["POST", "/transfer", { userId: bert.userId }],
    ["POST", `/requests/${bert.userId}/accept`, undefined],
    ["POST", `/requests/${bert.userId}/reject`, undefined],
  ] as const) {
    const [there, nowhere] = [groupId, none].map((id) => call(mallory, method, `/v1/groups/${id}${rest}`, body));
    expect([method, rest, (await there)!.body]).toEqual([method, rest, (await nowhere)!.body]);
  }
  for (const where of ["", "/messages", "/messages/1/readers"]) {
    const [there, nowhere] = [groupId, none].map((id) => call(mallory, "GET", `/v1/conversations/g:${id}${where}`));
    expect([where, (await there)!.body]).toEqual([where, (await nowhere)!.body]);
  }
});

test("the same request with an id brings the group that it made, whatever came between; another one is a conflict", async () => {
  const [anna, bert, carl, dora] = await people("anna", "bert", "carl", "dora");
  await prefer(carl, { whoMayAdd: "consent" });
  const groupId = `choir-${anna.userId}`.slice(0, 32);
  const wanted = { groupId, name: "choir", joinPolicy: "open", members: [bert.userId, carl.userId] };
  const make = (who: Person, change: object = {}) => call(who, "POST", "/v1/groups", { ...wanted, ...change });
  const first = await make(anna);
  expect(first).toMatchObject({ status: 201, body: { groupId, memberCount: 2, invited: [carl.userId] } });
  expect(await make(anna)).toEqual({ status: 200, body: first.body });
  // Somebody comes, somebody goes, and it has another name and another owner.
  await add(dora, groupId, dora);
  await call(bert, "DELETE", `/v1/groups/${groupId}/members/me`);
  await call(anna, "PATCH", `/v1/groups/${groupId}`, { name: "band", joinPolicy: "invite" });
  const owned = await call(anna, "POST", `/v1/groups/${groupId}/transfer`, { userId: dora.userId });
  expect(owned.status).toBe(200);
  const again = await make(anna, { members: [carl.userId, bert.userId] });
  expect(again).toEqual({ status: 200, body: { ...owned.body, invited: [carl.userId] } });
  expect((await memberIds(anna, groupId)).sort()).toEqual([anna.userId, dora.userId].sort());
  const others = [{ name: "band" }, { joinPolicy: "invite" }, { members: [bert.userId] }, { members: [] }];
  for (const change of others) expect((await make(anna, change)).body.name).toBe("CONFLICT");
  expect((await make(dora)).body.name).toBe("CONFLICT");
  await call(dora, "DELETE", `/v1/groups/${groupId}`);
  expect(await make(anna)).toMatchObject({ status: 200, body: { dissolved: true } });
});

test("two identical requests at the same moment make one group", async () => {
  const [anna, bert] = await people("anna", "bert");
  const groupId = `duo-${anna.userId}`.slice(0, 32);
  const wanted = { groupId, name: "duo", joinPolicy: "invite", members: [bert.userId] };
  const answers = await Promise.all([1, 2, 3].map(() => call(anna, "POST", "/v1/groups", wanted)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
  const history = (await call(bert, "GET", `/v1/conversations/g:${groupId}/messages`)).body.messages;
  expect(history).toHaveLength(1);
});
