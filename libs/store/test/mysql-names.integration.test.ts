/** The search for people. */
import type { FoundPage, FoundPlace, MysqlStore } from "@carillon/store";
import { createPool, type Pool } from "mysql2/promise";
import { type OpenStore, openStore } from "./open-store";

let opened: OpenStore;
let store: MysqlStore;
let pool: Pool;
let users = 0;
const NOW = 1_790_000_000_000;

beforeAll(async () => {
  opened = await openStore(8);
  store = opened.store;
  pool = createPool({ uri: opened.servers.mysql.url });
}, 120_000);

afterAll(async () => {
  await pool?.end();
  await opened?.close();
});

async function newUser(displayName: string): Promise<string> {
  const userId = `Person-${++users}`;
  expect(await store.users.create({ userId, displayName, now: NOW })).toBe(true);
  return userId;
}

const found = async (text: string) => (await store.names.search(text, 10)).users.map(({ userId }) => userId);

test("by the beginning of each word, whatever case, accents, composition, punctuation and blanks around", async () => {
  const userId = await newUser("Ángela Müller-Łuczak");
  const same = ["angela", "ÁNGELA", "A\u0301ngela", "mull", "müller luc", " Luczak ", "łu", "ángela müller-łuczak"];
  for (const text of same) expect([text, ...(await found(text))]).toEqual([text, userId]);
  for (const text of ["ngela", "uller", "angela luczak", "-", "%", "_", "\\"]) {
    expect([text, ...(await found(text))]).toEqual([text]);
  }
});

test("by the beginning of the id, whatever the case", async () => {
  const userId = await newUser("...");
  expect(await found(userId.toUpperCase())).toEqual([userId]);
});

test("only who can be written to, under the name of now", async () => {
  const userId = await newUser("Quentin");
  await store.users.setStatus(userId, "disabled");
  expect(await found("quen")).toEqual([]);
  await store.users.rename(userId, "Quilla");
  expect(await found("quil")).toEqual([]);
  await store.users.setStatus(userId, "normal");
  expect([await found("quen"), await found("quil")]).toEqual([[], [userId]]);
  await store.users.delete(userId, NOW);
  expect([await found("quil"), await found("deleted"), await found(userId)]).toEqual([[], [], []]);
});

test("page by page, everybody once, whatever else their name has", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `Xaver Xa${i % 3} ${i % 2 ? "xavier" : "smith"}`);
  const all = await Promise.all(names.map((name) => newUser(name)));
  const seen: string[] = [];
  for (let after: FoundPlace | undefined = { entry: "", userId: "" }; after !== undefined; ) {
    const page: FoundPage = await store.names.search("xa", 5, after);
    expect(page.users.length).toBeLessThanOrEqual(5);
    seen.push(...page.users.map(({ userId }) => userId));
    after = page.next;
  }
  expect(seen.sort()).toEqual(all.sort());
});

test("users whom somebody else has made are found when they are filed", async () => {
  const rows = ["Older1", "Older2"].map((id) => [id, id.toLowerCase(), "Zacharias", 1]);
  await pool.query("INSERT INTO users (id, folded_id, display_name, created_at) VALUES ?", [rows]);
  expect(await found("zach")).toEqual([]);
  expect(await store.names.fileNew(1)).toBe(1);
  expect(await store.names.fileNew(10)).toBe(1);
  expect(await store.names.fileNew(10)).toBe(0);
  expect(await found("zach")).toEqual(["Older1", "Older2"]);
});

test("a page reads a bounded number of rows, wherever it is", async () => {
  const rows = Array.from({ length: 5_000 }, (_, i) => [`Many${i}`, `many${i}`, "Wilhelm Wolf", 1]);
  await pool.query("INSERT INTO users (id, folded_id, display_name, created_at) VALUES ?", [rows]);
  while ((await store.names.fileNew(500)) > 0);
  const reads = async () => {
    const [status] = await pool.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'");
    return (status as { Value: string }[]).reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  for (let after: FoundPlace | undefined = { entry: "", userId: "" }; after !== undefined; ) {
    const before = await reads();
    const page: FoundPage = await store.names.search("w", 50, after);
    expect((await reads()) - before).toBeLessThan(5 * 2 * 200 * 3);
    after = page.next;
  }
}, 60_000);
