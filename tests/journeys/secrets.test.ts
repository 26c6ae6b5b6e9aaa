/** The secret of tokens is changed under a cluster with people in it; and `carillon secrets`. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { uuidv7 } from "@carillon/base";
import { createTokenSigner } from "@carillon/base/node";
import { Command } from "@carillon/protocol";
import {
  PASSWORD,
  type Person,
  RawClient,
  runProgram,
  startTestCluster,
  type TestCluster,
  until,
} from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(120_000);

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const file = () => path.join(cluster.running.directory, "carillon.json");
const kidOfToken = (token: string) => JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid;
const send = (client: RawClient, to: string, content: string) =>
  client.request(Command.SEND, { clientMsgId: uuidv7(Date.now()), to: `u:${to}`, contentType: "text", content });
const me = async (token: string) => (await cluster.http("GET", "/v1/users/me", { token })).status;

async function refresh({ refreshToken }: Person): Promise<Person> {
  const { status, body } = await cluster.http("POST", "/v1/sessions/refresh", { body: { refreshToken } });
  expect(status).toBe(200);
  return { ...body, deviceId: "device-1", token: body.accessToken };
}

const logIn = async ({ userId }: Person) => {
  const body = { userId, password: PASSWORD, deviceId: "device-1", platform: "other" };
  return (await cluster.http("POST", "/v1/sessions", { body })).body.accessToken as string;
};

test("a rotation logs nobody out: tokens of both secrets are good, and new ones have the new name", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [fromAlice, fromBob] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const [erin, fay] = [await cluster.person("erin"), await cluster.person("fay")];
  const lost = await refresh(erin);
  const { mode } = statSync(file());
  const { code, document } = await runCarillon(cluster, "secrets", "rotate", "--in", "15s");
  expect(code).toBe(0);
  const [former, next] = document.secrets;
  expect([former.state, next.state]).toEqual(["signs", "waits"]);
  expect(former.kid).toBe(kidOfToken(alice.token));
  expect(statSync(file()).mode).toBe(mode);
  const early = await logIn(fay);
  if (Date.now() < Date.parse(next.since)) expect(kidOfToken(early)).toBe(former.kid);
  await until("the new secret begins", () => Date.now() > Date.parse(next.since));
  const fresh = await logIn(fay);
  expect(kidOfToken(fresh)).toBe(next.kid);
  expect([await me(alice.token), await me(fresh)]).toEqual([200, 200]);
  // An answer that was lost before the rotation: the same refresh token brings the same successor.
  const again = await refresh(erin);
  expect([again.refreshToken, kidOfToken(again.token)]).toEqual([lost.refreshToken, next.kid]);
  const renewed = await fromAlice.request(Command.TOKEN, { token: (await refresh(alice)).token });
  expect(renewed.command).toBe(Command.OK);
  // A device of a token of either secret gets in, and nobody was cut off.
  const carol = await cluster.person("carol");
  expect(kidOfToken(carol.token)).toBe(next.kid);
  (await cluster.online(carol, "ws")).close();
  (await cluster.online({ ...fay, token: fresh }, "tcp")).close();
  (await cluster.online(await cluster.device(alice, "laptop"), "ws")).close();
  expect((await send(fromAlice, bob.userId, "still here")).command).toBe(Command.SENT);
  await until("it arrives", () => fromBob.events.length === 1);
  expect([fromAlice.isClosed, fromBob.isClosed]).toEqual([false, false]);
  fromAlice.close();
  fromBob.close();
});

test("a secret that was stolen: its tokens are over, and the devices get new ones by their refresh tokens", async () => {
  const dora = await cluster.person("dora");
  const [gateway] = await cluster.route(dora);
  const { document } = await runCarillon(cluster, "secrets", "rotate", "--in", "1s", "--revoke");
  const { apis, gateways } = cluster.info();
  for (const { pid } of [...apis, ...gateways]) process.kill(pid, "SIGHUP");
  const next = document.secrets.at(-1);
  await until("the former token is over", async () => (await me(dora.token)) === 401);
  const { body } = await cluster.http("GET", "/v1/users/me", { token: dora.token });
  expect(body.name).toBe("TOKEN_EXPIRED");
  const late = await RawClient.open("ws", gateway!);
  const answer = await late.request(Command.CONNECT, { token: dora.token, deviceId: dora.deviceId, platform: "other" });
  expect(answer.payload.name).toBe("TOKEN_EXPIRED");
  late.close();
  const stolen = JSON.parse(readFileSync(file(), "utf8")).auth.secrets.at(-2);
  const claims = { userId: dora.userId, deviceId: dora.deviceId, platform: "other", tokenVersion: 1 };
  expect(await me(createTokenSigner(stolen.secret, 900, stolen.kid)(claims))).toBe(401);
  const again = await refresh(dora);
  expect(kidOfToken(again.token)).toBe(next.kid);
  expect(await me(again.token)).toBe(200);
  (await cluster.online(again, "tcp")).close();
});

test("carillon secrets shows names and times, never a secret; a wrong rotation changes nothing", async () => {
  const { auth } = JSON.parse(readFileSync(file(), "utf8"));
  const { code, stdout, document } = await runCarillon(cluster, "secrets", "list");
  expect(code).toBe(0);
  expect(document.secrets.map(({ kid }: { kid: string }) => kid)).toEqual(
    auth.secrets.map(({ kid }: { kid: string }) => kid),
  );
  expect(document.secrets.filter(({ state }: { state: string }) => state === "signs")).toHaveLength(1);
  const program = path.join(__dirname, "..", "..", "scripts", "carillon.mjs");
  const shown = await runProgram([program, "secrets", "list", "--config", file()]);
  expect(shown.stdout).toContain(document.secrets.at(-1).kid);
  const settings = await runCarillon(cluster, "config");
  for (const text of [stdout, shown.stdout, settings.stdout]) {
    for (const { secret } of auth.secrets) expect(text).not.toContain(secret);
  }
  const before = readFileSync(file(), "utf8");
  for (const args of [
    ["--in", "soon"],
    ["--in", "5"],
    ["--at", "5m"],
  ]) {
    expect((await runCarillon(cluster, "secrets", "rotate", ...args)).code).toBe(2);
  }
  expect(readFileSync(file(), "utf8")).toBe(before);
});
