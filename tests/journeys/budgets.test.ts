/** The cost of one user for others is bounded: a user who asks for more gets a time to come back, and others do not notice. */
import { Command } from "@carillon/protocol";
import { PASSWORD, type Person, type RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster();
}, 180_000);

afterAll(() => cluster.stop(), 60_000);

test("ten wrong passwords slow one address, not the user; an operator lifts it", async () => {
  const { userId, token } = await cluster.person("victim");
  const logIn = (password: string) =>
    cluster.http("POST", "/v1/sessions", { body: { userId, password, deviceId: "laptop", platform: "other" } });
  const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await logIn("wrong password")).status));
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  const slowed = await logIn(PASSWORD);
  expect(slowed.body).toMatchObject({ name: "RATE_LIMITED", retryAfterMs: expect.any(Number) });
  // Users who are logged in notice nothing.
  const change = { oldPassword: PASSWORD, newPassword: `${PASSWORD}!` };
  expect((await cluster.http("PUT", "/v1/users/me/password", { token, body: change })).status).toBe(204);
  const { code, document } = await runCarillon(cluster, "users", "unlock", userId);
  expect([code, document.unconfirmed]).toEqual([0, []]);
  expect((await logIn(change.newPassword)).status).toBe(200);
  expect((await runCarillon(cluster, "users", "unlock", "nobody")).code).not.toBe(0);
});

async function online(name: string): Promise<[RawClient, Person]> {
  const person = await cluster.person(name);
  return [await cluster.online(person, "tcp"), person];
}

test("too many SYNCs: RATE_LIMITED with a time, other users get answers; also after the user came again", async () => {
  const [client, person] = await online("alice");
  const answersOf = async (asking: RawClient, count: number) => {
    const before = asking.frames.length;
    for (let i = 0; i < count; i++) asking.send(Command.SYNC, {});
    const answers = () =>
      asking.frames.slice(before).filter(({ command }) => command === Command.SYNCED || command === Command.ERROR);
    await asking.until("all answers", () => answers().length === count);
    return answers();
  };
  const answers = await answersOf(client, 130);
  const limited = answers.filter(({ payload }) => payload.name === "RATE_LIMITED");
  expect(limited.length).toBeGreaterThan(10);
  for (const { payload } of limited) expect(payload.retryAfterMs).toBeGreaterThan(0);
  expect(answers.filter(({ command }) => command === Command.SYNCED).length).toBeGreaterThan(3);
  client.send(Command.DISCONNECT);
  await client.closed();
  const again = await cluster.online(person, "tcp");
  expect((await answersOf(again, 60)).some(({ payload }) => payload.name === "RATE_LIMITED")).toBe(true);
  expect((await again.request(Command.PING, {})).command).toBe(Command.PONG);
});
