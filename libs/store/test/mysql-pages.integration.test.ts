/** Every list that is read in pages: whatever the limits and the times, the pages joined are the whole list, each row once. */

import { listId } from "@carillon/store";
import fc from "fast-check";
import { type Connection, createConnection } from "mysql2/promise";
import { type OpenStore, openStore } from "./open-store";

const ROWS = 40;
let opened: OpenStore;
let connection: Connection;

beforeAll(async () => {
  opened = await openStore();
  connection = await createConnection(opened.servers.mysql.url);
}, 120_000);

afterAll(async () => {
  await connection.end();
  await opened.close();
});

beforeEach(async () => {
  const tables = ["conversations", "conversation_members", "group_members", "user_groups", "relations", "messages"];
  for (const table of [...tables, "group_requests", "api_keys"]) await connection.query(`DELETE FROM ${table}`);
});

const ids = Array.from({ length: ROWS }, (_, i) => `x${String(i).padStart(2, "0")}`);

/** Reads pages with these limits, over and over, until one is empty. */
async function readAll<T>(limits: number[], page: (limit: number, last: T | undefined) => Promise<T[]>): Promise<T[]> {
  const all: T[] = [];
  for (let n = 0; n <= 2 * ROWS; n++) {
    const rows = await page(limits[n % limits.length]!, all.at(-1));
    if (rows.length === 0) return all;
    all.push(...rows);
  }
  throw new Error("the pages have no end");
}

const limits = fc.array(fc.integer({ min: 1, max: ROWS + 5 }), { minLength: 1, maxLength: 4 });
/** Many rows share a time. */
const times = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: ROWS, maxLength: ROWS });
const RUNS = { numRuns: 15 };

test("conversations, newest first, also those written to at the same time", async () => {
  await connection.query(
    `INSERT INTO conversation_members (user_id, conversation, changed_at) VALUES ${ids.map(() => "('a', ?, 1)").join()}`,
    ids.map((id) => `p:a:${id}`),
  );
  await fc.assert(
    fc.asyncProperty(limits, times, async (limitsOfPages, lastAts) => {
      await connection.query("DELETE FROM conversations");
      await connection.query(
        `INSERT INTO conversations (id, kind, last_seq, last_at, changed_at) VALUES ${ids.map(() => "(?, 'private', 1, ?, 1)").join()}`,
        ids.flatMap((id, i) => [`p:a:${id}`, lastAts[i]]),
      );
      const whole = ids
        .map((id, i) => ({ id: `p:a:${id}`, at: lastAts[i]! }))
        .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
      const read = await readAll(limitsOfPages, (limit, last: { conversationId: string; lastAt: number } | undefined) =>
        opened.store.conversations.list("a", limit, last === undefined ? {} : { after: last }),
      );
      expect(read.map(({ conversationId }) => conversationId)).toEqual(whole.map(({ id }) => id));
    }),
    RUNS,
  );
}, 120_000);

test.each<[string, () => Promise<void>, (limit: number, after: string) => Promise<string[]>]>([
  [
    "members of a group",
    async () => {
      const rows = ids.map((id) => ["g", id, 1]);
      await connection.query("INSERT INTO group_members (group_id, user_id, version) VALUES ?", [rows]);
    },
    async (limit, after) => (await opened.store.groups.members("g", limit, after)).map(({ userId }) => userId),
  ],
  [
    "groups of a user",
    async () => {
      const groups = ids.map((id) => [id, "same name", "a", "open", 1, "write", 1, 1]);
      const columns = "(id, name, owner_id, join_policy, member_count, fan_out, version, created_at)";
      await connection.query(`INSERT INTO user_groups ${columns} VALUES ?`, [groups]);
      await connection.query("INSERT INTO group_members (group_id, user_id, version) VALUES ?", [
        ids.map((id) => [id, "a", 1]),
      ]);
    },
    async (limit, after) => (await opened.store.groups.groupsOf("a", limit, after)).map(({ groupId }) => groupId),
  ],
  [
    "friends",
    async () => {
      const rows = ids.map((id, i) => ["a", id, "friend", i + 1, 7]);
      await connection.query("INSERT INTO relations (owner_id, peer_id, state, version, changed_at) VALUES ?", [rows]);
    },
    async (limit, after) =>
      (await opened.store.relations.list("a", ["friend"], limit, after)).map(({ userId }) => userId),
  ],
  [
    "requests to join a group",
    async () => {
      const rows = ids.map((id) => ["g", id, 7]);
      await connection.query("INSERT INTO group_requests (group_id, user_id, asked_at) VALUES ?", [rows]);
    },
    async (limit, after) => (await opened.store.groupRequests.list("g", limit, after)).map(({ userId }) => userId),
  ],
])(
  "%s, in the order of their ids",
  async (_, fill, page) => {
    await fill();
    await fc.assert(
      fc.asyncProperty(limits, async (limitsOfPages) => {
        expect(await readAll(limitsOfPages, (limit, last: string | undefined) => page(limit, last ?? ""))).toEqual(ids);
      }),
      RUNS,
    );
  },
  120_000,
);

test("changes of relations since a version, in their order", async () => {
  const rows = ids.map((id, i) => ["a", id, "friend", ROWS - i, 7]);
  await connection.query("INSERT INTO relations (owner_id, peer_id, state, version, changed_at) VALUES ?", [rows]);
  await fc.assert(
    fc.asyncProperty(limits, async (limitsOfPages) => {
      const read = await readAll(limitsOfPages, (limit, last: { userId: string; version: number } | undefined) =>
        opened.store.relations.changedSince("a", last?.version ?? 0, limit),
      );
      expect(read.map(({ userId }) => userId)).toEqual([...ids].reverse());
    }),
    RUNS,
  );
}, 120_000);

test("history, forwards and backwards", async () => {
  const rows = ids.map((_, i) => ["p:a:b", i + 1, i + 1, "message", "a", `c${i}`, "text", "hello", 7]);
  const columns = "(conversation, seq, message_id, kind, sender, client_msg_id, content_type, content, sent_at)";
  await connection.query(`INSERT INTO messages ${columns} VALUES ?`, [rows]);
  const numbers = ids.map((_, i) => i + 1);
  const { conversations } = opened.store;
  await fc.assert(
    fc.asyncProperty(limits, async (limitsOfPages) => {
      const forwards = await readAll(limitsOfPages, (limit, last: { seq: number } | undefined) =>
        conversations.history("p:a:b", { from: (last?.seq ?? 0) + 1, to: 10 ** 6, limit, newestFirst: false }),
      );
      expect(forwards.map(({ seq }) => seq)).toEqual(numbers);
      const backwards = await readAll(limitsOfPages, async (limit, last: { seq: number } | undefined) => {
        const range = { from: 1, to: (last?.seq ?? 10 ** 6) - 1, limit, newestFirst: true };
        return (await conversations.history("p:a:b", range)).reverse();
      });
      expect(backwards.map(({ seq }) => seq)).toEqual([...numbers].reverse());
    }),
    RUNS,
  );
}, 120_000);

test("lists for many users in one statement are those of each user alone", async () => {
  const people = ["a", "b", "c"];
  const stamps = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: ROWS, maxLength: ROWS });
  const owners = fc.array(fc.constantFrom(...people), { minLength: ROWS, maxLength: ROWS });
  const sinces = fc.uniqueArray(
    fc.record({ userId: fc.constantFrom(...people), since: fc.integer({ min: 0, max: 4 }) }),
    {
      minLength: 1,
      maxLength: 6,
      selector: listId,
    },
  );
  const { conversations, memberships, sync } = opened.store;
  await fc.assert(
    fc.asyncProperty(owners, stamps, stamps, sinces, async (of, own, others, questions) => {
      for (const table of ["conversations", "conversation_members", "group_members", "user_groups"]) {
        await connection.query(`DELETE FROM ${table}`);
      }
      await connection.query("INSERT INTO conversations (id, kind, last_seq, last_at, changed_at) VALUES ?", [
        ids.map((id, i) => [`p:${of[i]}:${id}`, "private", 9, others[i], others[i]]),
      ]);
      await connection.query(
        "INSERT INTO conversation_members (user_id, conversation, delivered_seq, changed_at) VALUES ?",
        [
          ids.flatMap((id, i) => [
            [of[i], `p:${of[i]}:${id}`, 1, own[i]],
            ...(i % 2 === 0 ? [[id, `p:${of[i]}:${id}`, 5, own[ROWS - 1 - i]]] : []),
          ]),
        ],
      );
      await connection.query(
        "INSERT INTO user_groups (id, name, owner_id, member_count, created_at, changed_at, dissolved_at) VALUES ?",
        [ids.map((id, i) => [id, "a group", "z", 1, 1, others[i], i % 5 === 0 ? 1 : null])],
      );
      await connection.query("INSERT INTO group_members (group_id, user_id, present, version, changed_at) VALUES ?", [
        ids.map((id, i) => [id, of[i], i % 3 === 0 ? 0 : 1, 1, own[i]]),
      ]);
      const lists = await conversations.listsOfFew(questions);
      const groups = await memberships.changedOfFew(questions);
      const overviews = await sync.overviews(people);
      for (const { userId, since } of questions) {
        const id = listId({ userId, since });
        expect(lists.get(id)).toEqual(await conversations.list(userId, ROWS, { since }));
        expect(groups.get(id)).toEqual(await memberships.changedSince(userId, since, ROWS));
      }
      for (const userId of people) {
        const { counts, memberships: rows } = overviews.get(userId)!;
        expect(counts.conversations).toBe((await conversations.list(userId, ROWS)).length);
        expect(counts.groups).toBe((await memberships.changedSince(userId, 0, ROWS)).length);
        expect(rows).toBe(of.filter((each) => each === userId).length);
      }
    }),
    RUNS,
  );
}, 120_000);
