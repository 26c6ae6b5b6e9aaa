/** What one user costs others is bounded: who asks for more is told when to come back, and nobody else notices. */
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster();
}, 180_000);

afterAll(() => cluster.stop(), 60_000);

async function online(name: string): Promise<[RawClient, Person]> {
  const person = await cluster.person(name);
  return [await cluster.online(person, "tcp"), person];
}

test("too many SYNCs: RATE_LIMITED with a time, the others are answered; also after the user came again", async () => {
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
  expect(answers.filter(({ command }) => command === Command.SYNCED).length).toBeGreaterThan(50);
  client.send(Command.DISCONNECT);
  await client.closed();
  const again = await cluster.online(person, "tcp");
  expect((await answersOf(again, 60)).some(({ payload }) => payload.name === "RATE_LIMITED")).toBe(true);
  expect((await again.request(Command.PING, {})).command).toBe(Command.PONG);
});
