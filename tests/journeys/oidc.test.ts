/** People and operators who log in by a real OpenID provider, in a whole cluster. */
import { createHash } from "node:crypto";
import { randomId, uuidv7 } from "@carillon/base";
import { findFreePortBlock } from "@carillon/local";
import { Command } from "@carillon/protocol";
import {
  OIDC_CLIENT,
  type Person,
  startTestCluster,
  TestBrowser,
  type TestCluster,
  TestOpenIdProvider,
  until,
} from "@carillon/testkit";

jest.setTimeout(120_000);

const PAGE = "https://app.example/welcome";
let provider: TestOpenIdProvider;
let cluster: TestCluster;

beforeAll(async () => {
  // The first port is that of the first api.
  const basePort = await findFreePortBlock(50);
  const callbackUrl = `http://127.0.0.1:${basePort}/v1/oidc/callback`;
  provider = await TestOpenIdProvider.start(callbackUrl);
  const env = {
    CARILLON_REGISTRATION: "closed",
    CARILLON_AUTH_OIDC_ISSUER: provider.issuer,
    CARILLON_AUTH_OIDC_CLIENT_ID: OIDC_CLIENT.clientId,
    CARILLON_AUTH_OIDC_CLIENT_SECRET: OIDC_CLIENT.clientSecret,
    CARILLON_AUTH_OIDC_CALLBACK_URL: callbackUrl,
    CARILLON_AUTH_OIDC_RETURN_TO: PAGE,
    CARILLON_AUTH_OIDC_CREATE_USERS: "true",
    CARILLON_AUTH_OIDC_OPERATOR_CLAIM: "groups",
    CARILLON_AUTH_OIDC_OPERATOR_VALUES: "chat-operators",
  };
  cluster = await startTestCluster({ basePort, env, counts: { gateway: 2, worker: 2, archiver: 1, api: 2 } });
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  await provider?.stop();
}, 60_000);

/** Logs in as an app's page and its browser do. */
async function person(name: string): Promise<Person> {
  const verifier = randomId(64);
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const { apis } = cluster.info();
  const came = await new TestBrowser().logIn(`${apis[0]!.http}/v1/oidc/login?challenge=${challenge}`, name, PAGE);
  const code = new URLSearchParams(came.url.hash.slice(1)).get("code");
  // Any api takes the code.
  const answer = await fetch(`${apis[1]!.http}/v1/oidc/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, verifier, deviceId: "device-1", platform: "other" }),
  });
  expect(answer.status).toBe(200);
  const { userId, accessToken, refreshToken } = (await answer.json()) as Record<string, string>;
  return { userId: userId!, deviceId: "device-1", token: accessToken!, refreshToken: refreshToken! };
}

test("two people who have no password chat", async () => {
  const [alice, bob] = [await person(`alice-${randomId(8)}`), await person(`bob-${randomId(8)}`)];
  const [from, to] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const message = { clientMsgId: uuidv7(Date.now()), to: `u:${bob.userId}`, contentType: "text", content: "hello" };
  expect((await from.request(Command.SEND, message)).command).toBe(Command.SENT);
  await until("it arrives", () => to.events.some(({ event }) => event["content"] === "hello"));
  from.close();
  to.close();
});

test("an operator of the provider's group works under /v1/admin; others do not", async () => {
  const [operator, alice] = [await person(`op-${randomId(8)}`), await person(`alice-${randomId(8)}`)];
  const list = (token: string) => cluster.http("GET", "/v1/admin/users?limit=1", { token });
  expect((await list(operator.token)).status).toBe(200);
  expect((await list(alice.token)).body.name).toBe("FORBIDDEN");
  expect(
    (await cluster.http("POST", `/v1/admin/users/${alice.userId}/disable`, { token: operator.token })).status,
  ).toBe(204);
  expect((await cluster.http("GET", "/v1/users/me", { token: alice.token })).body.name).toBe("USER_DISABLED");
});
