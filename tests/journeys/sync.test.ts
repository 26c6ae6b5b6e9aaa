/** SYNC: a device that was away, or a new device, learns of all present and ended groups, people and conversations. */
import { uuidv7 } from "@carillon/base";
import { Command, type GroupRow, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import { startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { createPool, type Pool } from "mysql2/promise";
import { callAs, type Member, newMember } from "./fixtures/member";

let cluster: TestCluster;
let pool: Pool;
beforeAll(async () => {
  cluster = await startTestCluster();
  pool = createPool({ uri: cluster.info().mysql.url });
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await cluster?.stop();
}, 60_000);

const member = (name: string) => newMember(cluster, name, "tcp");

const call = (who: Member, method: string, path: string, body?: object) => callAs(cluster, who, method, path, body);

async function page({ client }: Member, known: SyncPayload = {}): Promise<SyncedPayload> {
  const answer = await client.request(Command.SYNC, known);
  if (answer.command !== Command.SYNCED) throw new Error(JSON.stringify(answer));
  return answer.payload as SyncedPayload;
}

async function pages(who: Member, known: SyncPayload = {}): Promise<SyncedPayload[]> {
  const all = [await page(who, known)];
  while (all.at(-1)!.more) all.push(await page(who, { cursor: all.at(-1)!.cursor!, limit: known.limit ?? 50 }));
  return all;
}

const groupsOf = async (who: Member, groupsVersion = 0): Promise<GroupRow[]> =>
  (await page(who, { groupsVersion })).groups;

/** A version behind everything that was written: times of a sync lie 10 s back, for transactions that were open. */
async function versionOfNow(who: Member): Promise<number> {
  return until("a version above all changes", async () => {
    const now = (await page(who)).versions.groups + 10_000;
    return (await groupsOf(who, now)).length === 0 ? now : undefined;
  });
}

async function makeGroup(owner: Member, others: Member[], name = "choir"): Promise<string> {
  const members = others.map(({ person }) => person.userId);
  return (await call(owner, "POST", "/v1/groups", { name, joinPolicy: "invite", members })).body.groupId;
}

describe("groups", () => {
  test("all of them, or those that changed; what has ended comes without a role", async () => {
    const [alice, bob, carl] = [await member("alice"), await member("bob"), await member("carl")];
    const groupId = await makeGroup(alice, [bob]);
    await call(alice, "PATCH", `/v1/groups/${groupId}`, { notice: "tonight at eight" });
    const full = await page(bob);
    expect(full.counts.groups).toBe(1);
    const row = {
      groupId,
      name: "choir",
      notice: "tonight at eight",
      ownerId: alice.person.userId,
      joinPolicy: "invite",
      memberCount: 2,
      role: "member",
      version: expect.any(Number),
    };
    expect(full.groups).toEqual([row]);
    expect(await groupsOf(bob, full.versions.groups)).toEqual([row]);

    let known = await versionOfNow(bob);
    await call(alice, "PATCH", `/v1/groups/${groupId}`, { name: "chorus" });
    expect(await groupsOf(bob, known)).toMatchObject([{ groupId, name: "chorus", role: "member" }]);
    known = await versionOfNow(bob);
    await call(alice, "PATCH", `/v1/groups/${groupId}/members/${bob.person.userId}`, { role: "admin" });
    expect(await groupsOf(bob, known)).toMatchObject([{ groupId, role: "admin" }]);

    known = await versionOfNow(bob);
    await call(alice, "DELETE", `/v1/groups/${groupId}/members/${bob.person.userId}`);
    const [ended] = await groupsOf(bob, known);
    expect(ended).toEqual({ ...row, name: "", notice: undefined, memberCount: 0, role: undefined });
    expect(await page(bob)).toMatchObject({ groups: [], counts: { groups: 0 } });
    // A former member must not learn of later changes.
    known = await versionOfNow(bob);
    await call(alice, "POST", `/v1/groups/${groupId}/members`, { userId: carl.person.userId });
    expect(await groupsOf(bob, known)).toEqual([]);
    await call(alice, "POST", `/v1/groups/${groupId}/members`, { userId: bob.person.userId });
    expect(await groupsOf(bob, known)).toMatchObject([{ groupId, name: "chorus", role: "member" }]);
  }, 120_000);

  test("a dissolved group is reported as dissolved, and a new device hears nothing of it", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const groupId = await makeGroup(alice, [bob]);
    const known = await versionOfNow(bob);
    await call(alice, "DELETE", `/v1/groups/${groupId}`);
    const [row] = await groupsOf(bob, known);
    expect(row).toMatchObject({ groupId, name: "choir", dissolved: true });
    expect(row).not.toHaveProperty("role");
    expect(await page(bob)).toMatchObject({ groups: [], counts: { groups: 0 } });
  }, 60_000);

  test("a version that was never given leads to all of them", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const groupId = await makeGroup(alice, [bob]);
    const later = (await versionOfNow(bob)) + 3_600_000;
    expect(await groupsOf(bob, later)).toMatchObject([{ groupId }]);
  });

  test("a user whose membership, role or mute changes hears of it on all their devices", async () => {
    const [alice, bob] = [await member("alice"), await member("bob")];
    const tablet = await cluster.online(await cluster.device(bob.person, "tablet"), "ws");
    const groupId = await makeGroup(alice, [bob]);
    const path = `/v1/groups/${groupId}/members/${bob.person.userId}`;
    const changes: [string, object?][] = [
      ["PATCH", { role: "admin" }],
      ["PATCH", { mutedUntil: 9_999_999_999_999 }],
    ];
    for (const [method, body] of [...changes, ["DELETE"] as [string]]) await call(alice, method, path, body);
    for (const device of [bob.client, tablet]) {
      const versions = await device.until("four CHANGED", () => {
        const found = device.frames.filter(
          ({ command, payload }) => command === Command.CHANGED && payload.what === "groups",
        );
        return found.length === 4 ? found.map(({ payload }) => payload.version as number) : undefined;
      });
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
    }
  });
});

test("friends learn a new name by their next SYNC, and hear that there is one", async () => {
  const [alice, bob, carl] = [await member("alice"), await member("bob"), await member("carl")];
  for (const other of [bob, carl]) {
    await call(alice, "POST", "/v1/friend-requests", { userId: other.person.userId });
    await call(other, "POST", `/v1/friend-requests/${alice.person.userId}/accept`);
  }
  // A block is silent: the blocked user still sees the view of a friend.
  await call(alice, "PUT", `/v1/blocks/${carl.person.userId}`);
  for (const friend of [bob, carl]) {
    const known = (await page(friend)).versions.relations;
    expect((await page(friend, { relationsVersion: known })).relations).toEqual([]);
  }
  const versions = new Map<Member, number>();
  for (const friend of [bob, carl]) versions.set(friend, (await page(friend)).versions.relations);
  await call(alice, "PATCH", "/v1/users/me", { displayName: "Alice Ångström" });
  for (const friend of [bob, carl]) {
    const { relations } = await page(friend, { relationsVersion: versions.get(friend)! });
    expect(relations).toMatchObject([{ userId: alice.person.userId, state: "friend", displayName: "Alice Ångström" }]);
    const { client } = friend;
    await client.until("CHANGED profile", () =>
      client.frames.find(({ command, payload }) => command === Command.CHANGED && payload.what === "profile"),
    );
  }
});

describe("a new device of a user with years of conversations", () => {
  const CONVERSATIONS = 5_000;
  const FRIENDS = 120;
  const START = 1_700_000_000_000;
  const peer = (i: number) => `peer${String(i).padStart(4, "0")}`;
  const idOf = (userId: string, i: number) => `p:${[userId, peer(i)].sort().join(":")}`;

  /** The older a number, the older the conversation; the peer has said one thing in each. */
  async function fill(userId: string): Promise<void> {
    const numbers = Array.from({ length: CONVERSATIONS }, (_, i) => i);
    const insert = (columns: string, rows: unknown[][]) => pool.query(`INSERT INTO ${columns} VALUES ?`, [rows]);
    await insert(
      "conversations (id, kind, last_seq, last_at, preview_seq, preview_sender, preview_content_type, preview_text, changed_at)",
      numbers.map((i) => [idOf(userId, i), "private", 1, START + i, 1, peer(i), "text", `hello from ${i}`, START]),
    );
    await insert(
      "conversation_members (user_id, conversation, changed_at)",
      numbers.flatMap((i) => [userId, peer(i)].map((id) => [id, idOf(userId, i), START])),
    );
    await insert(
      "messages (conversation, seq, message_id, kind, sender, client_msg_id, content_type, content, sent_at)",
      numbers.map((i) => [idOf(userId, i), 1, i + 1, "message", peer(i), `id-${i}`, "text", "hello", START + i]),
    );
    await insert(
      "relations (owner_id, peer_id, state, version, changed_at)",
      numbers.slice(0, FRIENDS).map((i) => [userId, peer(i), "friend", i + 1, START]),
    );
    await pool.query("INSERT INTO user_versions (user_id, relations_version) VALUES (?, ?)", [userId, FRIENDS]);
    await insert(
      "users (id, folded_id, display_name, created_at)",
      numbers.map((i) => [peer(i), peer(i), `Peer ${i}`, START]),
    );
  }

  test("the newest come first, in one round trip; the rest follows whole, whatever moves meanwhile", async () => {
    const me = await member("veteran");
    await fill(me.person.userId);
    const groupId = await makeGroup(me, []);
    const first = await page(me, {});
    const newest = Array.from({ length: 49 }, (_, i) => idOf(me.person.userId, CONVERSATIONS - 1 - i));
    expect(first.conversations.map(({ conversationId }) => conversationId)).toEqual([`g:${groupId}`, ...newest]);
    expect(first.conversations[1]).toMatchObject({ unread: 1, preview: { text: `hello from ${CONVERSATIONS - 1}` } });
    const counts = { conversations: CONVERSATIONS + 1, relations: FRIENDS, groups: 1 };
    expect(first).toMatchObject({ counts, more: true, versions: { relations: FRIENDS }, relations: [], groups: [] });

    // A conversation from the very end gets an event, and moves to the front, behind what is being read.
    const moved = idOf(me.person.userId, 3);
    const second = await page(me, { cursor: first.cursor!, limit: 50 });
    const sent = await me.client.request(Command.SEND, {
      clientMsgId: uuidv7(Date.now()),
      to: `u:${peer(3)}`,
      contentType: "text",
      content: "good morning",
    });
    expect(sent).toMatchObject({ command: Command.SENT, payload: { conversationId: moved, seq: 2 } });
    await until("it is archived", async () => {
      const [rows] = await pool.query("SELECT last_seq AS seq FROM conversations WHERE id = ?", [moved]);
      return (rows as { seq: number }[])[0]!.seq === 2;
    });
    const rest = [first, second];
    while (rest.at(-1)!.more) rest.push(await page(me, { cursor: rest.at(-1)!.cursor!, limit: 64 }));
    const sizes = rest.map(
      ({ relations, groups, conversations }) => relations.length + groups.length + conversations.length,
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64);
    expect(new Set(rest.map(({ inbox, syncedAt }) => JSON.stringify([inbox, syncedAt]))).size).toBe(1);
    const rows = new Map(rest.flatMap(({ conversations }) => conversations).map((row) => [row.conversationId, row]));
    expect(rows.size).toBe(CONVERSATIONS + 1);
    expect(rows.get(moved)).toMatchObject({ lastSeq: 2, unread: 1 });
    const friends = rest.flatMap(({ relations }) => relations).map(({ userId }) => userId);
    expect(friends).toEqual(Array.from({ length: FRIENDS }, (_, i) => peer(i)));
    expect(rest.flatMap(({ groups }) => groups)).toMatchObject([{ groupId, role: "owner" }]);
    // People and groups do not wait behind the older conversations.
    expect(rest.slice(0, 4).flatMap(({ relations }) => relations)).toHaveLength(FRIENDS);
  }, 120_000);

  test("one page holds as much as one frame may hold", async () => {
    const me = await member("organiser");
    const notice = "ä".repeat(1_000);
    for (let i = 0; i < 40; i++) {
      const groupId = await makeGroup(me, [], `group ${i}`);
      await pool.query("UPDATE user_groups SET notice = ? WHERE id = ?", [notice, groupId]);
    }
    const all = await pages(me, { limit: 64 });
    expect(all.length).toBeGreaterThan(1);
    const groups = all.flatMap((one) => one.groups);
    expect(groups.map(({ groupId }) => groupId)).toHaveLength(40);
    expect(new Set(groups.map(({ groupId }) => groupId)).size).toBe(40);
  }, 120_000);
});
