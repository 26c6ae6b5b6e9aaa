/** A cluster with other settings: small groups, whose history is open to later members; a log at level debug. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

const METRICS_TOKEN = "a-token-for-Prometheus";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({
    counts: { gateway: 1, worker: 1, archiver: 1, api: 1 },
    env: {
      CARILLON_GROUPS_MAX_MEMBERS: "3",
      CARILLON_GROUPS_HISTORY_BEFORE_JOINING: "true",
      CARILLON_LOG_LEVEL: "debug",
      CARILLON_METRICS_TOKEN: METRICS_TOKEN,
    },
  });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const call = ({ token }: Person, method: string, path: string, body?: object) =>
  cluster.http(method, `/v1/groups${path}`, { token, ...(body === undefined ? {} : { body }) });

async function say(client: RawClient, groupId: string, content: string): Promise<void> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `g:${groupId}`, contentType: "text", content };
  expect((await client.request(Command.SEND, payload)).command).toBe(Command.SENT);
}

test("later members read earlier messages as long as they are members; one member too many is refused", async () => {
  const people = await Promise.all(["anna", "bert", "carl", "dora"].map((name) => cluster.person(name)));
  const [anna, bert, carl, dora] = people as [Person, Person, Person, Person];
  const client = await cluster.online(anna, "tcp");
  const wanted = { name: "open book", joinPolicy: "invite", members: [bert.userId] };
  const { groupId } = (await call(anna, "POST", "", wanted)).body;
  await say(client, groupId, "long ago");
  expect((await call(anna, "POST", `/${groupId}/members`, { userId: carl.userId })).status).toBe(201);
  const readBy = async (who: Person): Promise<string> => {
    const { status, body } = await cluster.http("GET", `/v1/conversations/g:${groupId}/messages`, { token: who.token });
    return status === 200 ? body.messages.map(({ seq }: { seq: number }) => seq).join(" ") : body.name;
  };
  expect([await readBy(carl), await readBy(dora)]).toEqual(["1 2 3", "NO_SUCH_CONVERSATION"]);
  const full = await call(anna, "POST", `/${groupId}/members`, { userId: dora.userId });
  expect([full.status, full.body.name]).toEqual([403, "FORBIDDEN"]);
  expect((await call(anna, "DELETE", `/${groupId}/members/${carl.userId}`)).status).toBe(204);
  // A former member keeps the messages of their own stay.
  await until("carl reads their own stay only", async () => (await readBy(carl)) === "3 4");
  client.close();
});

test("at level debug the log has the way of a message through all roles, and the address of a client", async () => {
  const [emma, fred] = [await cluster.person("emma"), await cluster.person("fred")];
  const receiver = await cluster.online(fred, "tcp");
  const sender = await cluster.online(emma, "tcp");
  const clientMsgId = uuidv7(Date.now());
  await sender.request(Command.SEND, { clientMsgId, to: `u:${fred.userId}`, contentType: "text", content: "find me" });
  const way = async () => {
    const lines = (await cluster.logged()).filter((line) => line["clientMsgId"] === clientMsgId);
    return lines.map(({ role, msg }) => `${role}: ${msg}`).sort();
  };
  await until("its way is in the log", async () => (await way()).length >= 4);
  expect(await way()).toEqual([
    "archiver: an event was archived",
    "gateway: a request was submitted",
    "gateway: an event is being delivered",
    "worker: a request was decided",
  ]);
  const wrong = { userId: emma.userId, password: "a wrong one", deviceId: "x", platform: "web" };
  expect((await cluster.http("POST", "/v1/sessions", { body: wrong })).status).toBe(401);
  const has = async (fields: object) =>
    (await cluster.logged()).some((line) => Object.entries(fields).every(([name, value]) => line[name] === value));
  const refused = { role: "api", msg: "a request was refused", address: "127.0.0.1", error: "NOT_AUTHENTICATED" };
  await until("the refusal is in the log", () => has(refused));
  await until("the session is in the log", () => has({ msg: "a session is open", userId: emma.userId }));
  // No line contains the text of a message.
  expect(JSON.stringify(await cluster.logged())).not.toContain("find me");
  sender.close();
  receiver.close();
});

test("every process shows metrics to holders of the token only, and its health to everybody", async () => {
  const { nodes } = (await runCarillon(cluster, "nodes")).document;
  const places: [string, string][] = nodes.map(
    ({ role, addresses: { http, ws } }: { role: string; addresses: { http?: string; ws?: string } }) => [
      role,
      http ?? `http://${new URL(ws!).host}`,
    ],
  );
  expect(places.map(([role]) => role).sort()).toEqual(["api", "archiver", "gateway", "worker"]);
  const authorization = `Bearer ${METRICS_TOKEN}`;
  for (const [role, http] of places) {
    expect([role, (await fetch(`${http}/metrics`)).status]).toEqual([role, 401]);
    const answer = await fetch(`${http}/metrics`, { headers: { authorization } });
    expect(await answer.text()).toContain(`role="${role}"`);
    expect([role, (await fetch(`${http}/healthz`)).status]).toEqual([role, 200]);
  }
});
