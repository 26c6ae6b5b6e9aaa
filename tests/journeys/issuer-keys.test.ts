/** Tokens of an issuer whose keys are at a URL, which is not there when the cluster starts. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { sleep } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, RawClient, rawTransports, startTestCluster, type TestCluster, until } from "@carillon/testkit";

jest.setTimeout(120_000);

const ISSUER = "https://id.example";
const AUDIENCE = "chat";
const [first, second] = [generateKeyPairSync("ed25519"), generateKeyPairSync("ed25519")];
let cluster: TestCluster;
let server: Server;
let port: number;
let keys: object[] = [];

const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid });
const listen = (at: number) => new Promise<void>((resolve) => void server.listen(at, "127.0.0.1", resolve));

beforeAll(async () => {
  server = createServer((_, response) => response.end(JSON.stringify({ keys })));
  await listen(0);
  port = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  const issuers = [{ issuer: ISSUER, jwksUrl: `http://127.0.0.1:${port}/jwks`, audience: AUDIENCE }];
  cluster = await startTestCluster({ env: { CARILLON_AUTH_ISSUERS: JSON.stringify(issuers) } });
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  server.closeAllConnections();
  server.close();
}, 60_000);

function token({ userId }: Person, key: KeyObject, kid: string, audience = AUDIENCE): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const claims = { iss: ISSUER, aud: audience, sub: userId, deviceId: "tablet", platform: "other", exp };
  const body = `${part({ alg: "EdDSA", kid })}.${part(claims)}`;
  return `${body}.${sign(null, Buffer.from(body), key).toString("base64url")}`;
}

const me = async (shown: string) => (await cluster.http("GET", "/v1/users/me", { token: shown })).body;

test("nobody is refused before the keys are known; then they get in, over HTTP and over each transport", async () => {
  const alice = await cluster.person("alice");
  const shown = token(alice, first.privateKey, "first");
  expect(await me(shown)).toMatchObject({ name: "BUSY", retryAfterMs: expect.any(Number) });
  const [gateway] = await cluster.route(alice);
  const connect = { token: shown, deviceId: "tablet", platform: "other" };
  const waiting = await RawClient.open("tcp", gateway!);
  expect((await waiting.request(Command.CONNECT, connect)).payload).toMatchObject({ name: "BUSY" });
  keys = [jwk(first.publicKey, "first")];
  await listen(port);
  // The same connection asks again, as BUSY says.
  await until("the keys are known", async () => {
    const answer = await waiting.request(Command.CONNECT, connect);
    if (answer.payload.retryAfterMs !== undefined) await sleep(answer.payload.retryAfterMs);
    return answer.command === Command.CONNECTED;
  });
  waiting.close();
  await until("the api knows them too", async () => (await me(shown)).userId === alice.userId);
  for (const transport of rawTransports) {
    const addresses = await cluster.addressesFor({ ...alice, token: shown }, transport, gateway);
    const client = await RawClient.open(transport, addresses);
    await client.connect(connect);
    client.close();
  }
});

test("a token of another key, or for somebody else, is refused", async () => {
  const alice = await cluster.person("alice");
  expect(await me(token(alice, second.privateKey, "first"))).toMatchObject({ name: "NOT_AUTHENTICATED" });
  expect(await me(token(alice, first.privateKey, "first", "else"))).toMatchObject({ name: "NOT_AUTHENTICATED" });
});

test("an issuer changes its key: tokens of the new one are good as soon as it is fetched", async () => {
  const alice = await cluster.person("alice");
  keys = [jwk(first.publicKey, "first"), jwk(second.publicKey, "second")];
  const shown = token(alice, second.privateKey, "second");
  await until("the new key is known", async () => (await me(shown)).userId === alice.userId);
  expect(await me(token(alice, first.privateKey, "first"))).toMatchObject({ userId: alice.userId });
});
