/** Deadlines: a client must give a sign of life in time, and a fresh token before the old one expires. */
import { sleep } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { Command } from "@carillon/protocol";
import { PASSWORD, type RawClient, rawTransports, startTestCluster, type TestCluster } from "@carillon/testkit";

/** Seconds; short, so that the deadlines can be seen. */
const SILENCE = 2;
const TOKEN_LIFE = 5;

let quick: TestCluster;
beforeAll(async () => {
  quick = await startTestCluster({
    counts: { gateway: 1, worker: 1, archiver: 1, api: 1 },
    env: {
      CARILLON_GATEWAY_SILENCE_SECONDS: String(SILENCE),
      CARILLON_GATEWAY_HEARTBEAT_SECONDS: "1",
      CARILLON_GATEWAY_TOKEN_GRACE_SECONDS: "1",
      CARILLON_AUTH_ACCESS_TOKEN_SECONDS: String(TOKEN_LIFE),
    },
  });
}, 300_000);
afterAll(() => quick?.stop(), 60_000);

/** TCP has no close codes: its connection just ends. */
const codeOf = ({ transport }: RawClient, code: number) => (transport === "tcp" ? -1 : code);

/** Pings until the connection ends or `done` says so. */
async function keepAlive(client: RawClient, done: () => boolean): Promise<void> {
  while (!client.isClosed && !done()) {
    client.send(Command.PING);
    await sleep(300);
  }
}

test.each(rawTransports)(
  "%s: a client that falls silent is closed (4001), one that pings is not",
  async (transport) => {
    const [silent, lively] = [await quick.person("silent"), await quick.person("lively")];
    const quiet = await quick.online(silent, transport);
    const pinging = await quick.online(lively, transport);
    const heard = keepAlive(pinging, () => quiet.isClosed);
    expect(await quiet.closed()).toBe(codeOf(quiet, 4001));
    await heard;
    expect(pinging.isClosed).toBe(false);
    expect((await pinging.request(Command.PING)).command).toBe(Command.PONG);
    pinging.close();
  },
);

test.each(rawTransports)(
  "%s: a connection ends a while after its token (4100), a fresh token keeps it",
  async (transport) => {
    const [lazy, careful] = [await quick.person("lazy"), await quick.person("careful")];
    const expiring = await quick.online(lazy, transport);
    const renewed = await quick.online(careful, transport);
    const pings = [keepAlive(expiring, () => false), keepAlive(renewed, () => expiring.isClosed)];
    const fresh = await quick.http("POST", "/v1/sessions/refresh", { body: { refreshToken: careful.refreshToken } });
    // It has to live longer than the first one; both are dated in whole seconds.
    await sleep(2_000);
    const newest = await quick.http("POST", "/v1/sessions/refresh", {
      body: { refreshToken: fresh.body.refreshToken },
    });
    expect((await renewed.request(Command.TOKEN, { token: newest.body.accessToken })).command).toBe(Command.OK);
    const told = await expiring.nextOf(Command.ERROR);
    expect(told.payload.name).toBe("TOKEN_EXPIRED");
    expect(await expiring.closed()).toBe(codeOf(expiring, 4100));
    await Promise.all(pings);
    expect(renewed.isClosed).toBe(false);
    renewed.close();
  },
);

test("the SDK pings and renews its token by itself: it stays where it is for several lives of a token", async () => {
  const alice = await quick.person("alice");
  const { userId, deviceId } = alice;
  const client = new CarillonClient({
    api: quick.info().api,
    deviceId,
    platform: "other",
    credentials: { userId, password: PASSWORD },
  });
  const states: string[] = [];
  client.on("state", ({ name }) => void states.push(name));
  await client.connect();
  await sleep(3 * TOKEN_LIFE * 1_000);
  expect(await client.send(`u:${userId}`, "still here")).toMatchObject({ seq: 1 });
  expect(states.at(-1)).toBe("online");
  expect(states).not.toContain("waiting");
  await client.close();
});

test("a token of another user, or a text that is no token, does not renew", async () => {
  const [alice, bob] = [await quick.person("alice"), await quick.person("bob")];
  const client = await quick.online(alice, "ws");
  for (const token of [bob.token, "nonsense"]) {
    expect((await client.request(Command.TOKEN, { token })).payload.name).toBe("NOT_AUTHENTICATED");
  }
  expect(client.isClosed).toBe(false);
  client.close();
});
