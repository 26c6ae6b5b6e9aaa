/** Bans and requests to join: users who are kept out of a group, users who wait, and the notices to both and to admins. */
import { sleep } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs, newPeople } from "./fixtures/member";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster();
}, 180_000);

afterAll(() => cluster.stop(), 60_000);

const call = (person: Person, method: string, where: string, body?: object) =>
  callAs(cluster, { person }, method, where, body);

const people = <const Names extends readonly string[]>(...names: Names) => newPeople(cluster, names);

async function newGroup(owner: Person, members: Person[], joinPolicy: string): Promise<string> {
  const wanted = { name: "choir", joinPolicy, members: members.map(({ userId }) => userId) };
  for (;;) {
    const { status, body } = await call(owner, "POST", "/v1/groups", wanted);
    if (status !== 503) expect(status).toBe(201);
    if (status === 201) return body.groupId;
    // A cluster that has just started on a busy machine may ask to come back later.
    await sleep(body.retryAfterMs);
  }
}

const add = async (who: Person, groupId: string, { userId }: Person): Promise<string> => {
  const { body } = await call(who, "POST", `/v1/groups/${groupId}/members`, { userId });
  return body.state ?? body.name;
};
const remove = (who: Person, groupId: string, { userId }: Person) =>
  call(who, "DELETE", `/v1/groups/${groupId}/members/${userId}`);
const bans = async (who: Person, groupId: string) => (await call(who, "GET", `/v1/groups/${groupId}/bans`)).body;
const answer = (who: Person, groupId: string, { userId }: Person, how: "accept" | "reject") =>
  call(who, "POST", `/v1/groups/${groupId}/requests/${userId}/${how}`);
const ownRequests = async (who: Person) => (await call(who, "GET", "/v1/group-requests")).body.items;

/** Waits until the device has heard so often that something is new about groups. */
const told = (device: RawClient, times: number) =>
  until(`told ${times} times`, () => {
    const changes = device.frames.filter(({ command, payload }) => {
      return command === Command.CHANGED && payload.what === "groups";
    });
    return changes.length === times;
  });

const groupRow = async (device: RawClient, groupId: string) => {
  const { groups } = (await device.request(Command.SYNC, {})).payload;
  return groups.find((row: { groupId: string }) => row.groupId === groupId);
};

test("only an admin brings back a member whom an admin has removed", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const groupId = await newGroup(anna, [bert, carl], "open");
  expect((await remove(anna, groupId, bert)).status).toBe(204);
  expect(await add(bert, groupId, bert)).toBe("BANNED");
  expect(await add(carl, groupId, bert)).toBe("BANNED");
  expect((await bans(anna, groupId)).items).toEqual([
    { userId: bert.userId, bannedBy: anna.userId, bannedAt: expect.any(Number) },
  ]);
  expect((await bans(carl, groupId)).name).toBe("FORBIDDEN");
  expect((await bans(bert, groupId)).name).toBe("NOT_A_MEMBER");
  // Nor by asking, where one asks.
  await call(anna, "PATCH", `/v1/groups/${groupId}`, { joinPolicy: "approval" });
  expect(await add(bert, groupId, bert)).toBe("BANNED");
  // An admin who brings them back lifts the ban.
  expect(await add(anna, groupId, bert)).toBe("joined");
  expect((await bans(anna, groupId)).items).toEqual([]);
  await call(bert, "DELETE", `/v1/groups/${groupId}/members/me`);
  expect((await bans(anna, groupId)).items).toEqual([]);
});

test("a ban that is lifted is over, also for other members; lifting again changes nothing", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const groupId = await newGroup(anna, [bert, carl], "open");
  await remove(anna, groupId, bert);
  const lift = (who: Person) => call(who, "DELETE", `/v1/groups/${groupId}/bans/${bert.userId}`);
  expect((await lift(carl)).body.name).toBe("FORBIDDEN");
  expect((await lift(bert)).body.name).toBe("NOT_A_MEMBER");
  expect([(await lift(anna)).status, (await lift(anna)).status]).toEqual([204, 204]);
  expect(await add(bert, groupId, bert)).toBe("joined");
});

test("admins hear of a request and of its end, and the applicant hears of the answer", async () => {
  const [anna, bert, carl] = await people("anna", "bert", "carl");
  const groupId = await newGroup(anna, [], "approval");
  const [admin, asker] = [await cluster.online(anna, "tcp"), await cluster.online(bert, "ws")];
  expect(await add(bert, groupId, bert)).toBe("asked");
  await told(admin, 1);
  expect(await groupRow(admin, groupId)).toMatchObject({ requests: 1 });
  expect(await ownRequests(bert)).toEqual([{ groupId, name: "choir", askedAt: expect.any(Number) }]);
  // A repeated request while the first one waits causes no second notice.
  expect(await add(bert, groupId, bert)).toBe("asked");
  expect((await answer(anna, groupId, bert, "reject")).status).toBe(204);
  await told(asker, 1);
  await told(admin, 2);
  expect(await groupRow(admin, groupId)).not.toHaveProperty("requests");
  expect(await ownRequests(bert)).toMatchObject([{ groupId, refusedAt: expect.any(Number) }]);
  // Taken back.
  expect(await add(carl, groupId, carl)).toBe("asked");
  await told(admin, 3);
  for (let time = 1; time <= 2; time++) {
    expect((await call(carl, "DELETE", `/v1/group-requests/${groupId}`)).status).toBe(204);
  }
  await told(admin, 4);
  expect(await ownRequests(carl)).toEqual([]);
  expect((await answer(anna, groupId, carl, "accept")).body.name).toBe("NOT_FOUND");
  // Accepted: the admins' other devices see that it is done.
  await add(carl, groupId, carl);
  await told(admin, 5);
  expect((await answer(anna, groupId, carl, "accept")).status).toBe(204);
  await told(admin, 6);
  expect((await groupRow(admin, groupId)).memberCount).toBe(2);
  for (const device of [admin, asker]) device.close();
});

test("a refused applicant cannot ask again at once, and the try notifies nobody", async () => {
  const [anna, bert] = await people("anna", "bert");
  const groupId = await newGroup(anna, [], "approval");
  expect(await add(bert, groupId, bert)).toBe("asked");
  await answer(anna, groupId, bert, "reject");
  const again = await call(bert, "POST", `/v1/groups/${groupId}/members`, { userId: bert.userId });
  expect(again.body).toMatchObject({ name: "FORBIDDEN", retryAfterMs: expect.any(Number) });
  expect(again.body.retryAfterMs).toBeGreaterThan(6 * 86_400_000);
  expect((await call(anna, "GET", `/v1/groups/${groupId}/requests`)).body.items).toEqual([]);
  // Taking it back does not make one forget it.
  await call(bert, "DELETE", `/v1/group-requests/${groupId}`);
  expect(await add(bert, groupId, bert)).toBe("FORBIDDEN");
  // An admin who thinks better of it brings them in.
  expect(await add(anna, groupId, bert)).toBe("joined");
});
