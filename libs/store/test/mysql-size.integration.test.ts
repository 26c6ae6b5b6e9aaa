/** Statements over tables that are large: none of them may go through a table, or lock rows, that it has no use for. */
import { type Event, encodeSystemContent } from "@carillon/protocol";
import { type Connection, createConnection } from "mysql2/promise";
import { type OpenStore, openStore } from "./open-store";

const MEMBERS = 5_000;
const userId = (number: number) => `u${String(number).padStart(6, "0")}`;
const MESSAGES = 20_000;
/** As many as the worst statement ever had. */
const LIST = 512;
const MESSAGE_ID = "CONCAT('0196f000-0000-7000-8000-', LPAD(seq, 12, '0'))";
const USER_ID = "CONCAT('u', LPAD(seq, 6, '0'))";

let opened: OpenStore;
let connection: Connection;

beforeAll(async () => {
  opened = await openStore();
  connection = await createConnection(opened.servers.mysql.url);
  const all = `SELECT ${USER_ID} FROM seq_1_to_${MEMBERS}`;
  for (const sql of [
    `INSERT INTO users (id, folded_id, display_name, created_at) ${all.replace(" FROM", `, ${USER_ID}, 'x', 1 FROM`)}`,
    `INSERT INTO group_members (user_id, group_id, version) ${all.replace(" FROM", ", 'big', seq FROM")}`,
    `INSERT INTO group_stays (user_id, group_id, joined_version) ${all.replace(" FROM", ", 'big', seq FROM")}`,
    `INSERT INTO conversation_members (user_id, conversation, changed_at) ${all.replace(" FROM", ", 'g:big', 1 FROM")}`,
    `INSERT INTO relations (owner_id, peer_id, state, version, changed_at)
       ${all.replace(" FROM", `, '${userId(1)}', 'friend', 1, 1 FROM`)}`,
    `INSERT INTO messages (conversation, seq, message_id, kind, sender, client_msg_id, content_type, content, sent_at)
       SELECT CONCAT('p:', ${USER_ID}, ':x'), 1, seq, 'message', ${USER_ID}, ${MESSAGE_ID}, 'text', 'hello', 1
       FROM seq_1_to_${MESSAGES}`,
    "ANALYZE TABLE users, group_members, group_stays, conversation_members, relations, messages",
  ]) {
    await connection.query(sql);
  }
}, 120_000);

afterAll(async () => {
  await connection.end();
  await opened.close();
});

/** How many rows the server has read for some work. */
async function rowsReadBy(work: () => Promise<unknown>): Promise<number> {
  const read = async () => {
    const [rows] = await connection.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'");
    return (rows as { Value: string }[]).reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  const before = await read();
  await work();
  return (await read()) - before;
}

test("when users were seen is written to their rows alone", async () => {
  const seen = Array.from({ length: 500 }, (_, i): [string, string, number] => [userId(i + 1), "d", 7]);
  expect(await rowsReadBy(() => opened.store.users.saw(seen))).toBeLessThan(5_000);
  expect(await opened.store.users.lastSeen([userId(1), userId(500), userId(501)])).toEqual(
    new Map([
      [userId(1), 7],
      [userId(500), 7],
    ]),
  );
});

test("a member who leaves a large group costs one look at their own row", async () => {
  const { store } = opened;
  const left = userId(77);
  await connection.query("UPDATE group_members SET present = 0, version = 9000 WHERE user_id = ?", [left]);
  await connection.query("UPDATE group_stays SET left_version = 9000 WHERE user_id = ?", [left]);
  const event: Event = {
    conversationId: "g:big",
    seq: 9,
    messageId: "360287970189639999",
    kind: "system",
    senderId: left,
    clientMsgId: "0196f000-0000-7000-8000-000000000001",
    contentType: "system",
    content: encodeSystemContent({ type: "left" }),
    sentAt: 1,
  };
  const { claim, position } = await store.archive.claim(0);
  const batch = {
    partition: 0,
    claim,
    from: position,
    to: 1,
    events: [event],
    changes: [{ event, version: 9_000 }],
  };
  expect(await rowsReadBy(() => store.archive.write(batch))).toBeLessThan(1_000);
  const [rows] = await connection.query("SELECT COUNT(*) AS total FROM conversation_members");
  expect(rows).toEqual([{ total: MEMBERS - 1 }]);
});

describe(`statements with lists of ${LIST} look up these and go through nothing else`, () => {
  const numbers = Array.from({ length: LIST }, (_, i) => 1 + 30 * i);
  const conversationOf = (n: number) => `p:${userId(n)}:x`;
  const idOf = (n: number) => `0196f000-0000-7000-8000-${String(n).padStart(12, "0")}`;
  const people = numbers.map((n) => userId(n));

  test.each<[string, number, () => Promise<{ size: number } | { length: number }>]>([
    [
      "messages by their ids",
      LIST,
      () =>
        opened.store.facts.messagesById(
          numbers.map((n) => ({ senderId: userId(n), conversationId: conversationOf(n), clientMsgId: idOf(n) })),
        ),
    ],
    [
      "messages to be taken back",
      LIST,
      () => opened.store.facts.recallTargets(numbers.map((n) => ({ conversationId: conversationOf(n), seq: 1 }))),
    ],
    ["last numbers", LIST, () => opened.store.facts.lastSeqs(numbers.map(conversationOf))],
    ["users", 167, () => opened.store.facts.users(people)],
    ["credentials", LIST, () => opened.store.credentials.of(people.map((id) => ({ userId: id, deviceId: "phone" })))],
    ["when users were seen", 0, () => opened.store.users.lastSeen(people.slice(300))],
    ["large groups of users", 0, () => opened.store.groupFacts.largeGroupsOf(people)],
  ])("%s", async (_, found, ask) => {
    let answer: { size: number } | { length: number } | undefined;
    const read = await rowsReadBy(async () => {
      answer = await ask();
    });
    expect("size" in answer! ? answer.size : answer!.length).toBe(found);
    expect(read).toBeLessThan(8 * LIST);
  });
});

test("a thousand marks in groups, and a thousand pairs, are looked up one by one", async () => {
  const { store } = opened;
  const numbers = Array.from({ length: 1_000 }, (_, i) => i + 1_000);
  const marks = numbers.map((n) => ({ conversationId: "g:big", userId: userId(n), read: 3, delivered: 0 }));
  expect(await rowsReadBy(() => store.conversations.moveMarks(marks))).toBeLessThan(10_000);
  const pairs = numbers.map((n): [string, string] => [userId(n), userId(1)]);
  expect((await store.facts.relations(pairs)).size).toBe(1_000);
  const [rows] = await connection.query("SELECT COUNT(*) AS total FROM conversation_members WHERE read_seq = 3");
  expect(rows).toEqual([{ total: 1_000 }]);
});

test("a transaction that waits for a row in vain gives up in order, and releases its locks", async () => {
  await connection.beginTransaction();
  await connection.query("UPDATE conversation_members SET pinned = 1 WHERE user_id = ?", [userId(9)]);
  const marks = [userId(8), userId(9)].map((id) => ({ conversationId: "g:big", userId: id, read: 4, delivered: 0 }));
  await expect(opened.store.conversations.moveMarks(marks)).rejects.toMatchObject({ code: "ER_LOCK_WAIT_TIMEOUT" });
  await opened.store.conversations.moveMarks(marks.slice(0, 1));
  await connection.rollback();
}, 60_000);
