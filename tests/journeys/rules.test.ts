/** The rules for writing to other users: they are in the worker, and this test sets their facts in MySQL by hand. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { type Person, type RawTransport, startTestCluster, type TestCluster } from "@carillon/testkit";
import { createPool, type Pool } from "mysql2/promise";

let cluster: TestCluster;
let friendsOnly: TestCluster;
let pool: Pool;
beforeAll(async () => {
  cluster = await startTestCluster({ counts: { gateway: 1, worker: 1, archiver: 1, api: 1 } });
  friendsOnly = await startTestCluster({
    counts: { gateway: 1, worker: 1, archiver: 1, api: 1 },
    env: { CARILLON_POLICY_STRANGERS: "friends-only" },
  });
  pool = createPool({ uri: cluster.info().mysql.url });
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await Promise.all([cluster?.stop(), friendsOnly?.stop()]);
}, 60_000);

let transport: RawTransport;

async function outcome(of: TestCluster, from: Person, to: Person): Promise<string> {
  const client = await of.online(from, transport);
  const payload = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content: "hello" };
  const answer = await client.request(Command.SEND, payload);
  client.close();
  return answer.command === Command.SENT ? "SENT" : answer.payload.name;
}

const pair = async () => [await cluster.person("alice"), await cluster.person("bob")] as const;
const relate = (owner: Person, peer: Person, state: string, from = pool) =>
  from.query(
    "INSERT INTO relations (owner_id, peer_id, state, remark, version, changed_at) VALUES (?, ?, ?, '', 1, 1)",
    [owner.userId, peer.userId, state],
  );

describe.each(["tcp", "ws"] as const)("over %s", (way) => {
  beforeAll(() => {
    transport = way;
  });

  test("strangers may write to each other by default", async () => {
    const [alice, bob] = await pair();
    expect(await outcome(cluster, alice, bob)).toBe("SENT");
  });

  test("a user to whom others wrote before the account existed can write and receive at once", async () => {
    const [alice] = await pair();
    const name = `late-${way}`;
    expect(await outcome(cluster, alice, { ...alice, userId: name })).toBe("NO_SUCH_USER");
    const url = `${cluster.info().api}/v1/users`;
    const body = JSON.stringify({ userId: name, displayName: "Late", password: "correct horse battery" });
    const made = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(made.status).toBe(201);
    expect(await outcome(cluster, alice, { ...alice, userId: name })).toBe("SENT");
  });

  test("a muted user writes to nobody, and receives", async () => {
    const [alice, bob] = await pair();
    await pool.query("UPDATE users SET muted_until = ? WHERE id = ?", [Date.now() + 3_600_000, alice.userId]);
    expect(await outcome(cluster, alice, bob)).toBe("USER_MUTED");
    expect(await outcome(cluster, bob, alice)).toBe("SENT");
  });

  test("a disabled user cannot connect", async () => {
    const [alice] = await pair();
    await pool.query("UPDATE users SET status = 'disabled' WHERE id = ?", [alice.userId]);
    await expect(cluster.online(alice, transport)).rejects.toThrow("USER_DISABLED");
  });

  test("the blocked user does not learn of the block; the blocker does", async () => {
    const [alice, bob] = await pair();
    await relate(bob, alice, "blocked");
    expect(await outcome(cluster, alice, bob)).toBe("NOT_FRIENDS");
    expect(await outcome(cluster, bob, alice)).toBe("BLOCKED");
  });

  test("friends only, if so wished", async () => {
    const [alice, bob] = [await friendsOnly.person("alice"), await friendsOnly.person("bob")];
    const carol = await friendsOnly.person("carol");
    const friends = createPool({ uri: friendsOnly.info().mysql.url });
    await relate(alice, bob, "friend", friends);
    await relate(bob, alice, "friend", friends);
    await friends.end();
    expect(await outcome(friendsOnly, alice, bob)).toBe("SENT");
    expect(await outcome(friendsOnly, carol, bob)).toBe("NOT_FRIENDS");
  });
});
