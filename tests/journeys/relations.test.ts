/** Friends, requests and blocks: all devices hear of a change, and it counts for the next message, on every worker. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type LinkedCluster, type Person, type RawClient, startLinkedCluster, until } from "@carillon/testkit";

let cluster: LinkedCluster;
beforeAll(async () => {
  cluster = await startLinkedCluster("worker-", { env: { CARILLON_POLICY_STRANGERS: "friends-only" } });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const call = ({ token }: Person, method: string, path: string, body?: object) =>
  cluster.http(method, path, body === undefined ? { token } : { token, body });
const ask = (from: Person, to: Person) => call(from, "POST", "/v1/friend-requests", { userId: to.userId });
const accept = (by: Person, of: Person) => call(by, "POST", `/v1/friend-requests/${of.userId}/accept`);
const block = (by: Person, of: Person) => call(by, "PUT", `/v1/blocks/${of.userId}`);
const unblock = (by: Person, of: Person) => call(by, "DELETE", `/v1/blocks/${of.userId}`);
const states = async (of: Person, list: string) =>
  (await call(of, "GET", `/v1/${list}`)).body.items.map((item: { userId: string; state: string }) => [
    item.userId,
    item.state,
  ]);

async function pair() {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  return { alice, bob, fromAlice: await cluster.online(alice, "tcp"), fromBob: await cluster.online(bob, "ws") };
}

async function friends() {
  const both = await pair();
  await ask(both.alice, both.bob);
  expect((await accept(both.bob, both.alice)).status).toBe(204);
  // The notice may come after the answer.
  for (const client of [both.fromAlice, both.fromBob]) await changed(client, 2);
  return both;
}

async function outcome(client: RawClient, to: Person): Promise<string> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content: "hello" };
  const answer = await client.request(Command.SEND, payload);
  return answer.command === Command.SENT ? "SENT" : answer.payload.name;
}

const firstOutcome = (client: RawClient, to: Person) =>
  until("an answer other than BUSY", async () => {
    const name = await outcome(client, to);
    return name === "BUSY" ? undefined : name;
  });

function expectNamed({ status, body }: { status: number; body: { unconfirmed: string[] } }): void {
  const workers = cluster.info().workers.map(({ nodeId }) => nodeId);
  expect([status, [...body.unconfirmed].sort()]).toEqual([202, workers.sort()]);
}

const changed = (client: RawClient, version: number) =>
  client.until(`CHANGED ${version}`, () =>
    client.frames.find(({ command, payload }) => command === Command.CHANGED && payload.version === version),
  );

test("strangers become friends, all their devices hear of it, and the next message goes through", async () => {
  const { alice, bob, fromAlice, fromBob } = await pair();
  const tablet = await cluster.online(await cluster.device(bob, "tablet"), "json");
  expect(await outcome(fromAlice, bob)).toBe("NOT_FRIENDS");
  expect(await ask(alice, bob)).toMatchObject({
    status: 201,
    body: { userId: bob.userId, displayName: "bob", state: "requested", version: 1 },
  });
  for (const device of [fromAlice, fromBob, tablet]) {
    expect((await changed(device, 1)).payload).toEqual({ what: "relations", version: 1 });
  }
  expect(await states(bob, "friend-requests")).toEqual([[alice.userId, "asked"]]);
  expect(await outcome(fromAlice, bob)).toBe("NOT_FRIENDS");
  expect(await accept(bob, alice)).toEqual({ status: 204, body: undefined });
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  expect(await outcome(fromBob, alice)).toBe("SENT");
  for (const device of [fromAlice, fromBob, tablet]) await changed(device, 2);
  expect(await states(alice, "friends")).toEqual([[bob.userId, "friend"]]);
  expect(await states(bob, "friend-requests")).toEqual([]);
});

test("a request that is turned down is gone; the user may ask again, and a request in return accepts", async () => {
  const { alice, bob } = await pair();
  await ask(alice, bob);
  expect((await call(bob, "POST", `/v1/friend-requests/${alice.userId}/reject`)).status).toBe(204);
  expect(await states(alice, "friend-requests")).toEqual([]);
  expect((await accept(bob, alice)).body.name).toBe("NOT_FOUND");
  await ask(alice, bob);
  expect((await ask(bob, alice)).body.state).toBe("friend");
  expect(await states(alice, "friends")).toEqual([[bob.userId, "friend"]]);
});

test("asked and taken back again and again is told at once, and then about how it stands", async () => {
  const { alice, bob, fromBob } = await pair();
  const heard = () => fromBob.frames.filter(({ command }) => command === Command.CHANGED).map((frame) => frame.payload);
  // As often as it goes in a row.
  for (let i = 0; i < 20; i++) {
    await ask(alice, bob);
    await call(alice, "DELETE", `/v1/friends/${bob.userId}`);
  }
  const { versions } = (await fromBob.request(Command.SYNC, {})).payload;
  expect(versions.relations).toBeGreaterThan(10);
  await changed(fromBob, versions.relations);
  // On a fast machine it is two: the first one at once, and the last.
  expect(heard().length).toBeLessThan(versions.relations / 2);
  expect([heard()[0]?.version, heard().at(-1)?.version]).toEqual([1, versions.relations]);
});

test("a friendship that ended ends the right to write at once", async () => {
  const { alice, bob, fromAlice, fromBob } = await friends();
  expect(await firstOutcome(fromAlice, bob)).toBe("SENT");
  expect((await call(bob, "DELETE", `/v1/friends/${alice.userId}`)).status).toBe(204);
  expect(await outcome(fromAlice, bob)).toBe("NOT_FRIENDS");
  expect(await outcome(fromBob, alice)).toBe("NOT_FRIENDS");
  expect((await call(bob, "DELETE", `/v1/friends/${alice.userId}`)).status).toBe(204);
});

test("a block is silent: the blocked user still sees a friend, and gets the answer that a stranger gets", async () => {
  const { alice, bob, fromAlice, fromBob } = await friends();
  const before = fromAlice.frames.filter(({ command }) => command === Command.CHANGED).length;
  expect((await block(bob, alice)).status).toBe(204);
  expect(await outcome(fromAlice, bob)).toBe("NOT_FRIENDS");
  expect(await outcome(fromBob, alice)).toBe("BLOCKED");
  expect(await states(alice, "friends")).toEqual([[bob.userId, "friend"]]);
  expect(await states(bob, "friends")).toEqual([]);
  expect(await states(bob, "blocks")).toEqual([[alice.userId, "blocked"]]);
  expect((await ask(bob, alice)).body.name).toBe("BLOCKED");
  await changed(fromBob, 3);
  expect(fromAlice.frames.filter(({ command }) => command === Command.CHANGED)).toHaveLength(before);
  expect((await unblock(bob, alice)).status).toBe(204);
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  expect(await states(bob, "friends")).toEqual([[alice.userId, "friend"]]);
});

test("SYNC lists relations that changed or ended above a version; a remark is visible to its author only", async () => {
  const { alice, bob, fromAlice, fromBob } = await friends();
  const remark = await call(alice, "PATCH", `/v1/friends/${bob.userId}`, { remark: "Bobby 🔔" });
  expect(remark).toMatchObject({ status: 200, body: { remark: "Bobby 🔔", version: 3 } });
  const sync = async (client: RawClient, payload: object) => (await client.request(Command.SYNC, payload)).payload;
  expect(await sync(fromAlice, {})).toMatchObject({
    versions: { relations: 3 },
    relations: [{ userId: bob.userId, state: "friend", displayName: "bob", remark: "Bobby 🔔", version: 3 }],
    counts: { relations: 1 },
    more: false,
  });
  expect((await sync(fromAlice, { relationsVersion: 3 })).relations).toEqual([]);
  const { relations, versions } = await sync(fromBob, { relationsVersion: 1 });
  expect(relations).toEqual([{ userId: alice.userId, state: "friend", displayName: "alice", version: 2 }]);
  expect(versions.relations).toBe(2);
  await call(bob, "DELETE", `/v1/friends/${alice.userId}`);
  expect((await sync(fromAlice, { relationsVersion: 3 })).relations).toEqual([
    { userId: bob.userId, state: "none", displayName: "bob", version: 4 },
  ]);
});

test("SYNC tells many relations page by page, and each conversation once beside them", async () => {
  const { alice, bob, fromAlice } = await friends();
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  const others = await Promise.all(Array.from({ length: 4 }, () => cluster.person("other")));
  for (const other of others) await ask(alice, other);
  const seen: string[] = [];
  const conversations: string[] = [];
  let cursor: string | undefined;
  do {
    const payload = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
    const page = (await fromAlice.request(Command.SYNC, payload)).payload;
    seen.push(...page.relations.map(({ userId }: { userId: string }) => userId));
    conversations.push(...page.conversations.map((row: { conversationId: string }) => row.conversationId));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(seen).toEqual([bob, ...others].map(({ userId }) => userId));
  expect(conversations).toHaveLength(1);
});

test("a worker that hangs is named; when it continues it judges by the present relations", async () => {
  const { alice, bob, fromAlice } = await friends();
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  const workers = cluster.info().workers;
  for (const { pid } of workers) process.kill(pid, "SIGSTOP");
  const answer = await block(bob, alice).finally(() => {
    for (const { pid } of workers) process.kill(pid, "SIGCONT");
  });
  expectNamed(answer);
  expect(await firstOutcome(fromAlice, bob)).toBe("NOT_FRIENDS");
});

test("a worker that was cut off from NATS, and missed the order, forgets everybody when it is back", async () => {
  const { alice, bob, fromAlice } = await friends();
  expect(await outcome(fromAlice, bob)).toBe("SENT");
  cluster.link.cut();
  expectNamed(await block(bob, alice).finally(() => cluster.link.heal()));
  expect(await firstOutcome(fromAlice, bob)).toBe("NOT_FRIENDS");
});

test("impossible changes are refused", async () => {
  const { alice, bob } = await pair();
  const nobody = { ...bob, userId: "nobody-of-this-name" };
  expect((await ask(alice, nobody)).body.name).toBe("NO_SUCH_USER");
  expect((await ask(alice, alice)).body.name).toBe("BAD_PAYLOAD");
  expect((await block(alice, nobody)).body.name).toBe("NO_SUCH_USER");
  expect((await unblock(alice, bob)).status).toBe(204);
  const more = { userId: bob.userId, state: "friend" };
  expect((await call(alice, "POST", "/v1/friend-requests", more)).body.name).toBe("BAD_PAYLOAD");
  expect((await call(alice, "PATCH", `/v1/friends/${bob.userId}`, { remark: "x" })).body.name).toBe("NOT_FOUND");
});
