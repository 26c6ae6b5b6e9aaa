/** The audit log: acts over HTTP, of keys, of the owners of groups and of the command line are in one list. */
import { hostname, userInfo } from "node:os";
import { type Person, startTestCluster, type TestCluster } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

jest.setTimeout(120_000);

interface Entry {
  who: string;
  from: string;
  act: string;
  whom?: string;
  place?: string;
  result: string;
  details?: object;
}

let cluster: TestCluster;
let operator: Person;
beforeAll(async () => {
  cluster = await startTestCluster();
  operator = await cluster.person("operator");
  expect((await runCarillon(cluster, "users", "make-operator", operator.userId)).code).toBe(0);
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const call = (token: string, method: string, path: string, body?: object) =>
  cluster.http(method, path, body === undefined ? { token } : { token, body });

async function listed(...filter: string[]): Promise<Entry[]> {
  const { code, document, stderr } = await runCarillon(cluster, "audit-log", ...filter);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return document.entries;
}

const shell = () => `shell:${userInfo().username}`;
const summary = ({ act, whom, place, result }: Entry) => [act, whom, place, result];

test("an operator, a key and the command line act on a user: one list, over HTTP and on the command line", async () => {
  const bob = await cluster.person("bob");
  const whom = `user:${bob.userId}`;
  const made = await call(operator.token, "POST", "/v1/admin/keys", { name: "shop", scopes: ["users", "audit-log"] });
  const { id, key } = made.body;
  await call(operator.token, "POST", `/v1/admin/users/${bob.userId}/disable`);
  await call(key, "POST", `/v1/admin/users/${bob.userId}/enable`);
  expect((await runCarillon(cluster, "users", "kick", bob.userId, "--device", "phone")).code).toBe(0);
  const entries = await listed("--whom", whom);
  expect(entries).toMatchObject([
    { who: shell(), from: hostname(), act: "admin.user.kick", result: "ok", details: { deviceId: "phone" } },
    { who: `key:${id}`, from: "127.0.0.1", act: "admin.user.enable", result: "ok" },
    { who: `user:${operator.userId}`, from: "127.0.0.1", act: "admin.user.disable", result: "ok" },
  ]);
  const overHttp = await call(key, "GET", `/v1/admin/audit-log?whom=${encodeURIComponent(whom)}`);
  expect(overHttp).toEqual({ status: 200, body: { items: entries } });
  expect((await listed("--who", `user:${operator.userId}`, "--act", "admin.key.create")).map(summary)).toEqual([
    ["admin.key.create", `key:${id}`, undefined, "ok"],
  ]);
  expect(await listed("--whom", whom, "--until", "1h")).toEqual([]);
  expect(await listed("--whom", whom, "--since", "1h")).toHaveLength(3);
});

test("the owner of a group acts on members: what succeeds and what fails; nobody's acts on themselves", async () => {
  const [anna, bob, carl] = [await cluster.person("anna"), await cluster.person("bob"), await cluster.person("carl")];
  const body = { name: "Choir", joinPolicy: "open", members: [bob.userId] };
  const { groupId } = (await call(anna.token, "POST", "/v1/groups", body)).body;
  const members = `/v1/groups/${groupId}/members`;
  await call(carl.token, "POST", members, { userId: carl.userId });
  await call(anna.token, "PATCH", `${members}/${bob.userId}`, { role: "admin" });
  expect((await call(bob.token, "DELETE", `${members}/${anna.userId}`)).body.name).toBe("FORBIDDEN");
  await call(bob.token, "DELETE", `${members}/${carl.userId}`);
  await call(bob.token, "DELETE", `${members}/me`);
  const outsider = await cluster.person("outsider");
  expect((await call(outsider.token, "DELETE", `${members}/${bob.userId}`)).body.name).toBe("NOT_A_MEMBER");
  const group = `group:${groupId}`;
  const entries = await listed("--whom", group);
  expect(entries.map((entry) => [entry.who, ...summary(entry)])).toEqual([
    [`user:${bob.userId}`, "group.member.remove", `user:${carl.userId}`, group, "ok"],
    [`user:${bob.userId}`, "group.member.remove", `user:${anna.userId}`, group, "FORBIDDEN"],
    [`user:${anna.userId}`, "group.member.change", `user:${bob.userId}`, group, "ok"],
    [`user:${anna.userId}`, "group.create", group, undefined, "ok"],
  ]);
  expect(entries[2]).toMatchObject({ details: { role: "admin" } });
  expect((await call(anna.token, "GET", "/v1/admin/audit-log")).body.name).toBe("FORBIDDEN");
});

test("the command line: what became of each user, an act that failed, and acts on nodes, keys and secrets", async () => {
  const [anna, bob] = [await cluster.person("anna"), await cluster.person("bob")];
  const { group } = (await runCarillon(cluster, "groups", "create", anna.userId, "Band")).document;
  expect((await runCarillon(cluster, "groups", "add", group.groupId, bob.userId, "nobody-there")).code).toBe(0);
  expect((await runCarillon(cluster, "groups", "dissolve", "no-such-group")).code).toBe(2);
  const place = `group:${group.groupId}`;
  const added = await listed("--whom", place);
  expect(added).toHaveLength(3);
  expect(added).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ act: "admin.group.create", whom: place, who: shell() }),
      expect.objectContaining({ whom: `user:${bob.userId}`, place, details: { state: "joined" } }),
      expect.objectContaining({ whom: "user:nobody-there", place, details: { state: "no-such-user" } }),
    ]),
  );
  expect((await listed("--whom", "group:no-such-group")).map(summary)).toEqual([
    ["admin.group.dissolve", "group:no-such-group", undefined, "NOT_FOUND"],
  ]);
  for (const order of ["drain", "undrain"]) {
    expect((await runCarillon(cluster, "nodes", order, "gateway-2")).code).toBe(0);
  }
  const { kid } = (await runCarillon(cluster, "secrets", "rotate", "--in", "1h")).document.secrets.at(-1);
  expect((await listed("--who", shell(), "--limit", "3")).map(summary)).toEqual([
    ["admin.secret.rotate", `secret:${kid}`, undefined, "ok"],
    ["admin.node.undrain", "node:gateway-2", undefined, "ok"],
    ["admin.node.drain", "node:gateway-2", undefined, "ok"],
  ]);
});
